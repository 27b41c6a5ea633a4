"""The cost of a training in time and memory."""
