"""Is a model worth it: what leaving layers out could gain, and policies side by side."""
