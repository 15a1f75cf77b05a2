"""Restoring rate and noise of an autoregressive map."""
