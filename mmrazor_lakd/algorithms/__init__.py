"""Algorithms of distillation: who is trained, and by whom."""

from ..checkpoints.loading import (
    check_checkpoint,
    load_network,
    load_teacher_weights,
)
from .frozen_teacher_distill import FrozenTeacherDistill

__all__ = [
    'FrozenTeacherDistill',
    'check_checkpoint',
    'load_network',
    'load_teacher_weights',
]
