"""Power spectra of fold, Hopf and null models."""
