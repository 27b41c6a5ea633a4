"""Suites: many trainings, one table."""
