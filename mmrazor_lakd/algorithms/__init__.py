"""Distillation algorithms: which network is trained, and by which."""

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
