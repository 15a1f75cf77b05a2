"""Likelihood ratio of an approach against a stationary model."""
