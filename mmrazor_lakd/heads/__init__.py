"""Heads of students that a method changes."""

from .norm_head import NORMHead
from .simkd_head import SimKDHead

__all__ = ['NORMHead', 'SimKDHead']
