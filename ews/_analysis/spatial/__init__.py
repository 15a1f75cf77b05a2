"""Do maps over time lose resilience."""
