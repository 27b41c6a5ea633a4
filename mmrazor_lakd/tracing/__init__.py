"""What a model does in one pass: its maps, its graph, its blocks."""
