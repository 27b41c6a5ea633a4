"""What the student learns from the teacher, and where."""

from .lakd_distiller import LAKDDistiller

__all__ = ['LAKDDistiller']
