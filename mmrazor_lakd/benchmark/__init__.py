"""Comparison of methods: accuracy, time, memory."""
