"""Evidence that the docs show: error rates, power and verdicts on real series. ``make evidence`` runs it all."""
