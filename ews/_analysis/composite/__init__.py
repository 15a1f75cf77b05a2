"""A composite index of several indicators, alarm by alarm."""
