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
from .correlation_congruence_loss import (
    CorrelationCongruenceLoss,
    correlations,
    neighbour_congruence,
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
from .multi_level_kd_loss import MultiLevelKDLoss, multi_level_kd
from .ndam_loss import NDAMLoss, ndam_loss, ndam_map
from .negative_sampler import NegativeSampler
from .neuron_selectivity_loss import (
    NeuronSelectivityLoss,
    neuron_selectivity,
)
from .partial_square_loss import PartialSquareLoss
from .refined_logits_loss import RefinedLogitsLoss, refined_logits
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
from .scale_decoupled_loss import (
    ScaleDecoupledDKDLoss,
    ScaleDecoupledKDLoss,
    region_logits,
    scale_decoupled,
)
from .softmax_regression_loss import (
    SoftmaxRegressionLoss,
    softmax_regression,
)
from .teacher_matching_loss import TeacherMatchingLoss, teacher_matching
from .variational_information_loss import (
    VariationalInformationLoss,
    variational_information,
)
from .warmup import Warmup, cosine_decay_factor, warmup_factor
from .warmup_loss import SteppedLoss, WarmupLoss, step_factor
from .wasserstein_feature_loss import (
    WassersteinFeatureLoss,
    wasserstein_features,
)
from .wasserstein_logits_loss import (
    WassersteinLogitsLoss,
    cka_costs,
    class_costs,
    sinkhorn_distance,
    target_cross_entropy,
    wasserstein_logits,
)

__all__ = [
    'AttentionTransferLoss',
    'ChannelWiseDivergence',
    'ClassAttentionLoss',
    'ContrastiveLoss',
    'CorrelationCongruenceLoss',
    'DecoupledKDLoss',
    'HierarchicalContextLoss',
    'LocalClassifierLoss',
    'LocalFeatureLoss',
    'LogitsKDLoss',
    'MemoryBank',
    'MultiLevelKDLoss',
    'NDAMLoss',
    'NegativeSampler',
    'NeuronSelectivityLoss',
    'PartialSquareLoss',
    'ProbabilisticTransferLoss',
    'RefinedLogitsLoss',
    'RelationalAngleLoss',
    'RelationalDistanceLoss',
    'ScaleDecoupledDKDLoss',
    'ScaleDecoupledKDLoss',
    'RepresentationMatchingLoss',
    'ReusedClassifierLoss',
    'SimilarityPreservingLoss',
    'SoftmaxRegressionLoss',
    'SteppedLoss',
    'StrongerTeacherLoss',
    'TeacherMatchingLoss',
    'VariationalInformationLoss',
    'Warmup',
    'WarmupLoss',
    'WassersteinFeatureLoss',
    'WassersteinLogitsLoss',
    'activation_maps',
    'angles',
    'attention_map',
    'attention_transfer',
    'check_losses',
    'check_map',
    'class_attention',
    'contrastive_loss',
    'cka_costs',
    'class_costs',
    'correlations',
    'cosine_decay_factor',
    'decoupled_kd',
    'hierarchical_context',
    'local_feature_loss',
    'multi_level_kd',
    'ndam_loss',
    'ndam_map',
    'neighbour_congruence',
    'neuron_selectivity',
    'probabilistic_transfer',
    'refined_logits',
    'region_logits',
    'relative_distances',
    'scale_decoupled',
    'representation_matching',
    'reused_classifier',
    'similarity_preserving',
    'softmax_regression',
    'sinkhorn_distance',
    'standardize_logits',
    'target_cross_entropy',
    'step_factor',
    'teacher_matching',
    'variational_information',
    'warmup_factor',
    'wasserstein_features',
    'wasserstein_logits',
]
