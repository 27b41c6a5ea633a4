"""Hooks that MMEngine's Runner calls during training."""
