"""How the answer depends on window and bandwidth."""
