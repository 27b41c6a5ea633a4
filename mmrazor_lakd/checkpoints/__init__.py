"""Checkpoints: read, checked, converted, and the networks in them."""
