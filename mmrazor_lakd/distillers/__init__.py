"""Distillers: what the student learns from the teacher, and where."""

from .feature_distiller import FeatureDistiller
from .function_distiller import FunctionConsistentDistiller
from .lakd_distiller import LAKDDistiller

__all__ = [
    'FeatureDistiller',
    'FunctionConsistentDistiller',
    'LAKDDistiller',
]
