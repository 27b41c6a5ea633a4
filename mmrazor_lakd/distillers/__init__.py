"""Distillers: what the student learns from the teacher, and where."""

from .feature_distiller import FeatureDistiller
from .lakd_distiller import LAKDDistiller

__all__ = ['FeatureDistiller', 'LAKDDistiller']
