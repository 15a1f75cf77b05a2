"""Drift, diffusion and jumps."""
