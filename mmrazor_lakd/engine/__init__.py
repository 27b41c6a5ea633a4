"""Parts for MMEngine's Runner: hooks, a metric and an optimizer wrapper."""

from .hooks.channels_last_hook import ChannelsLastHook
from .hooks.class_count_hook import ClassCountHook
from .hooks.divergence_hook import DivergenceHook
from .hooks.epoch_seed_hook import EpochSeedHook
from .hooks.missed_validation_hook import MissedValidationHook
from .hooks.safe_checkpoint_hook import SafeCheckpointHook, use_safe_hooks
from .hooks.safe_loading_hook import SafeLoadingHook
from .hooks.sample_labels_hook import SampleLabelsHook
from .hooks.saved_statistics_hook import SavedStatisticsHook
from .hooks.stop_signal_hook import StopSignalHook
from .hooks.teacher_accuracy_hook import TeacherAccuracyHook
from .metrics.teacher_agreement import TeacherAgreement
from .optimizers.bfloat16_optim_wrapper import Bfloat16OptimWrapper

__all__ = [
    'Bfloat16OptimWrapper',
    'ChannelsLastHook',
    'ClassCountHook',
    'DivergenceHook',
    'EpochSeedHook',
    'MissedValidationHook',
    'SafeCheckpointHook',
    'SafeLoadingHook',
    'SampleLabelsHook',
    'SavedStatisticsHook',
    'StopSignalHook',
    'TeacherAccuracyHook',
    'TeacherAgreement',
    'use_safe_hooks',
]
