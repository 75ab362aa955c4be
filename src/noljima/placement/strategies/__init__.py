"""Ways to choose a node, and the names that people choose them by."""
