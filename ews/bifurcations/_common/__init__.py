"""Figures and words that detectors share."""
