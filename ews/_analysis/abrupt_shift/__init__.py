"""Did the level shift, and when."""
