"""The shapes in which the same code runs, and that nothing of what it does depends on the shape."""
