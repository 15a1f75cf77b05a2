"""Are several variables of one system losing resilience."""
