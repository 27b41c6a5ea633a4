"""Suites: many trainings in one table."""
