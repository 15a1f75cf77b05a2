"""The slope of the drift of a Langevin equation."""
