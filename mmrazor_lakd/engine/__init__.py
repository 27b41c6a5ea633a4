"""What MMEngine's Runner takes from us: an optimizer wrapper and hooks."""

from .bfloat16_optim_wrapper import Bfloat16OptimWrapper
from .channels_last_hook import ChannelsLastHook
from .class_count_hook import ClassCountHook
from .divergence_hook import DivergenceHook
from .epoch_seed_hook import EpochSeedHook
from .local_module_hook import LocalModuleHook
from .safe_checkpoint_hook import SafeCheckpointHook, use_safe_hooks
from .safe_loading_hook import SafeLoadingHook
from .sample_labels_hook import SampleLabelsHook
from .teacher_accuracy_hook import TeacherAccuracyHook

__all__ = [
    'Bfloat16OptimWrapper',
    'ChannelsLastHook',
    'ClassCountHook',
    'DivergenceHook',
    'EpochSeedHook',
    'LocalModuleHook',
    'SafeCheckpointHook',
    'SafeLoadingHook',
    'SampleLabelsHook',
    'TeacherAccuracyHook',
    'use_safe_hooks',
]
