"""How an optimizer steps."""
