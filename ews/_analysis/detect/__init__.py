"""Is one series losing resilience."""
