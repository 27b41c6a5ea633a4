"""Trace one forward pass of a model: its feature maps, graph and blocks."""
