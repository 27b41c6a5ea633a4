"""Read, check and convert checkpoints, and load networks from them."""
