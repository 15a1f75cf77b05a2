"""Fit a policy to a model and hold its stated risk; keep and load it."""
