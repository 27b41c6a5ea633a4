"""Losses between a student's and a teacher's outputs for the same images."""

from .attention_transfer_loss import (
    AttentionTransferLoss,
    attention_map,
    attention_transfer,
)
from .batch_similarity_loss import (
    ProbabilisticTransferLoss,
    SimilarityPreservingLoss,
    probabilistic_transfer,
    similarity_preserving,
)
from .channel_wise_divergence import ChannelWiseDivergence
from .checks import check_losses, check_map
from .class_attention_loss import (
    ClassAttentionLoss,
    activation_maps,
    class_attention,
)
from .crd_loss import ContrastiveLoss, contrastive_loss
from .decoupled_kd_loss import DecoupledKDLoss, decoupled_kd
from .hierarchical_context_loss import (
    HierarchicalContextLoss,
    hierarchical_context,
)
from .local_classifier_loss import LocalClassifierLoss
from .local_feature_loss import LocalFeatureLoss, local_feature_loss
from .logit_standardization import standardize_logits
from .logits_kd_loss import LogitsKDLoss, StrongerTeacherLoss
from .memory_bank import MemoryBank
from .ndam_loss import NDAMLoss, ndam_loss, ndam_map
from .negative_sampler import NegativeSampler
from .partial_square_loss import PartialSquareLoss
from .relational_kd_loss import (
    RelationalAngleLoss,
    RelationalDistanceLoss,
    angles,
    relative_distances,
)
from .representation_matching_loss import (
    RepresentationMatchingLoss,
    representation_matching,
)
from .reused_classifier_loss import ReusedClassifierLoss, reused_classifier
from .softmax_regression_loss import (
    SoftmaxRegressionLoss,
    softmax_regression,
)
from .teacher_matching_loss import TeacherMatchingLoss, teacher_matching
from .warmup import Warmup, warmup_factor
from .warmup_loss import SteppedLoss, WarmupLoss, step_factor

__all__ = [
    'AttentionTransferLoss',
    'ChannelWiseDivergence',
    'ClassAttentionLoss',
    'ContrastiveLoss',
    'DecoupledKDLoss',
    'HierarchicalContextLoss',
    'LocalClassifierLoss',
    'LocalFeatureLoss',
    'LogitsKDLoss',
    'MemoryBank',
    'NDAMLoss',
    'NegativeSampler',
    'PartialSquareLoss',
    'ProbabilisticTransferLoss',
    'RelationalAngleLoss',
    'RelationalDistanceLoss',
    'RepresentationMatchingLoss',
    'ReusedClassifierLoss',
    'SimilarityPreservingLoss',
    'SoftmaxRegressionLoss',
    'SteppedLoss',
    'StrongerTeacherLoss',
    'TeacherMatchingLoss',
    'Warmup',
    'WarmupLoss',
    'activation_maps',
    'angles',
    'attention_map',
    'attention_transfer',
    'check_losses',
    'check_map',
    'class_attention',
    'contrastive_loss',
    'decoupled_kd',
    'hierarchical_context',
    'local_feature_loss',
    'ndam_loss',
    'ndam_map',
    'probabilistic_transfer',
    'relative_distances',
    'representation_matching',
    'reused_classifier',
    'similarity_preserving',
    'softmax_regression',
    'standardize_logits',
    'step_factor',
    'teacher_matching',
    'warmup_factor',
]
