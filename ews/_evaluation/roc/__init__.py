"""Receiver operating characteristic of scores."""
