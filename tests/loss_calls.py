"""How each loss of the package is called: what tests of all losses need.

A new loss gets one row in :data:`CALLS`.
"""

from typing import Callable, Dict, NamedTuple, Optional, Tuple

import torch
from mmpretrain.structures import DataSample
from mmrazor.registry import MODELS
from torch import nn

import mmrazor_lakd.losses  # noqa: F401, which registers them

CLASSES = 4
SAMPLES = 12  # of the training data, for CRD


def compare(loss, s, t, labels):
    """Call a loss with the student's and the teacher's tensor."""
    return loss(s, t)


def compare_under_labels(loss, s, t, labels):
    """Call a loss that takes the labels, too."""
    return loss(s, t, labels)


def compare_lists(loss, s, t, labels):
    """Call a loss that takes the maps of all stages."""
    return loss([s], [t])


def classify(loss, s, t, labels):
    """Call a loss that takes the labels in data samples."""
    return loss(s, t, [DataSample().set_gt_label(y) for y in labels])


def contrast(loss, s, t, labels):
    """Call CRD, which has to know all labels of the data."""
    loss.sampler.take_labels(torch.arange(SAMPLES) % CLASSES)
    samples = [DataSample(metainfo=dict(sample_idx=i)) for i in range(len(s))]
    return loss(s, t, samples)


def classified(feature):
    """A map, and a classifier's weight and bias."""
    weight = torch.linspace(-1, 1, CLASSES * feature.shape[1])
    return feature, weight.view(CLASSES, -1).to(feature), weight[:CLASSES]


def compare_classified(loss, s, t, labels):
    """Call a loss that takes maps, both classifiers, and labels."""
    return loss(*classified(s), *classified(t), labels)


def compare_views(loss, s, t, labels):
    """Call MLKD, which takes two views of each image."""
    return loss(*(torch.cat([x, x]) for x in (s, t, labels)))


def repeat(loss, s, t, labels):
    """Call NORM, whose student has the teacher's channels several times."""
    return loss(torch.cat([s, s], 1), t)


def attend(loss, s, t, labels):
    """Call CAT-KD, which takes maps and the weights of both classifiers."""
    return loss(s, t, classified(s)[1], classified(t)[1])


def judge(loss, s, t, labels):
    """Call SRRL, which takes maps and the teacher's classifier."""
    return loss(s, *classified(t))


def estimate(loss, s, t, labels):
    """Call VID, which takes means, and a variance for each channel."""
    return loss((s, torch.ones(s.shape[1]).to(s)), t)


def compare_by_weight(loss, s, t, labels):
    """Call WKD-L, which takes the teacher's classifier and labels."""
    weight = torch.linspace(-1, 1, 3 * CLASSES).view(CLASSES, 3).square()
    return loss(s, t, weight, labels)


class Call(NamedTuple):
    """How to call a loss.

    Attributes:
        student (tuple): Shape of the student's tensor, without N.
        teacher (tuple, optional): The teacher's, if it is another.
        run (Callable): Calls it with the loss, the student's and the
            teacher's tensor, and labels (N, ).
        needed (dict): The arguments that have no default value.
        labels (bool): Whether it takes labels.
        unequal (bool): Whether student and teacher may differ in shape.
        smaller (tuple): Whose height and width may be smaller: the student's,
            0, or the teacher's, 1.
    """

    student: Tuple[int, ...]
    teacher: Optional[Tuple[int, ...]] = None
    run: Callable = compare
    needed: Dict = {}
    labels: bool = False
    unequal: bool = False
    smaller: Tuple[int, ...] = ()


LOGITS, FEATURES, MAP = (CLASSES,), (6,), (3, 4, 4)
CALLS = dict(
    AttentionTransferLoss=Call(MAP, unequal=True),
    ClassAttentionLoss=Call(MAP, run=attend, unequal=True),
    ChannelWiseDivergence=Call(MAP),
    ContrastiveLoss=Call(
        FEATURES,
        run=contrast,
        needed=dict(num_samples=SAMPLES, num_negatives=5, dim=6),
    ),
    CorrelationCongruenceLoss=Call(FEATURES),
    DecoupledKDLoss=Call(LOGITS, run=compare_under_labels, labels=True),
    HierarchicalContextLoss=Call(MAP, run=compare_lists),
    LocalClassifierLoss=Call(
        MAP,
        LOGITS,
        run=classify,
        needed=dict(in_channels=MAP[0], num_classes=CLASSES),
        labels=True,
        unequal=True,
    ),
    LocalFeatureLoss=Call(MAP),
    LogitsKDLoss=Call(LOGITS),
    MultiLevelKDLoss=Call(LOGITS, run=compare_views),
    NDAMLoss=Call(MAP),
    NeuronSelectivityLoss=Call(MAP, unequal=True),
    PartialSquareLoss=Call(MAP),
    ProbabilisticTransferLoss=Call(FEATURES, unequal=True),
    RefinedLogitsLoss=Call(LOGITS, run=compare_under_labels, labels=True),
    RelationalAngleLoss=Call(FEATURES, unequal=True),
    RelationalDistanceLoss=Call(FEATURES, unequal=True),
    RepresentationMatchingLoss=Call(MAP, run=repeat, unequal=True),
    ReusedClassifierLoss=Call(MAP, smaller=(0,)),
    ScaleDecoupledDKDLoss=Call(
        MAP, run=compare_classified, labels=True, unequal=True
    ),
    ScaleDecoupledKDLoss=Call(
        MAP, run=compare_classified, labels=True, unequal=True
    ),
    SimilarityPreservingLoss=Call(MAP, unequal=True),
    SoftmaxRegressionLoss=Call(MAP, run=judge, smaller=(0, 1)),
    SteppedLoss=Call(
        LOGITS, needed=dict(loss=dict(type='LogitsKDLoss'), steps=[(0, 1.0)])
    ),
    StrongerTeacherLoss=Call(LOGITS),
    TeacherMatchingLoss=Call(LOGITS),
    VariationalInformationLoss=Call(MAP, run=estimate, smaller=(0, 1)),
    WarmupLoss=Call(
        LOGITS, needed=dict(loss=dict(type='LogitsKDLoss'), epochs=20)
    ),
    WassersteinFeatureLoss=Call(MAP),
    WassersteinLogitsLoss=Call(LOGITS, run=compare_by_weight, labels=True),
)


def registered_losses() -> Dict[str, type]:
    """Find the losses that the package registers, by their names."""
    return {
        name: cls
        for name, cls in sorted(MODELS.module_dict.items())
        if cls.__module__.startswith('mmrazor_lakd.losses.')
    }


def call_of(name: str) -> Call:
    """Return how to call a registered loss."""
    assert name in CALLS, (
        f'{name} is registered, but tests/loss_calls.py does not say how to '
        f'call it; add a row to CALLS, and it is tested like the others.'
    )
    return CALLS[name]


def make_loss(name: str, **options) -> nn.Module:
    """Make a loss, by the arguments that it needs and others."""
    torch.manual_seed(0)
    cls = registered_losses()[name]
    return cls(**{**call_of(name).needed, **options})


def make_pair(name: str, images: int = 5, size: Optional[int] = None):
    """Make an input of the student's and one of the teacher's.

    Args:
        name (str): The loss.
        images (int): The batch.
        size (int, optional): Height and width of maps.
    """
    call = call_of(name)
    generator = torch.Generator().manual_seed(images)
    pair = []
    for shape in (call.student, call.teacher or call.student):
        if size is not None and len(shape) == 3:
            shape = (shape[0], size, size)
        pair.append(torch.randn(images, *shape, generator=generator))
    return pair


def run_loss(name: str, loss: nn.Module, s, t, labels=None):
    """Compute a loss and its gradient.

    Returns:
        tuple[torch.Tensor, torch.Tensor]: The value and the student's
        gradient.
    """
    if labels is None:
        labels = torch.arange(len(s)) % CLASSES
    s = s.detach().requires_grad_()
    value = call_of(name).run(loss, s, t, labels)
    (grad,) = torch.autograd.grad(value.sum(), s)
    return value.detach(), grad
