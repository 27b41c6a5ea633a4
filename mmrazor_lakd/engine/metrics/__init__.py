"""Metrics that MMEngine's evaluator computes."""
