"""NORM's head, whose additional layers are merged into its classifier."""

from typing import Any, Dict, List, Optional, Tuple

import torch
import torch.nn.functional as F
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

from ..errors import check_choice, check_size

#: what the authors' code multiplies normalised logits by
LOGIT_SCALE = 2.5


@MODELS.register_module()
class NORMHead(LinearClsHead):
    r"""A classifier behind two linear layers with a shortcut around them.

    .. math:: z = W\,pool(F + R(E(F))) + b

    with E a 1x1 convolution to N times the teacher's channels and R one back,
    each with batch normalisation. E's output learns N copies of the teacher's
    map. In eval mode all of it is linear: :meth:`merged` returns the
    classifier that has the same logits without E and R, which
    ``export_student.py`` writes. The student has no neck.

    Source: Liu et al., "NORM: Knowledge Distillation via N-to-One
    Representation Matching", arXiv 2305.13803, and the authors' code.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the student's last map.
        teacher_channels (int): Channels of the teacher's, ``in_channels`` of
            its head.
        copies (int): The number N of copies. Defaults to 8.
        mode (str): ``'paper'`` computes the loss of the logits, ``'code'`` of
            2.5 times the logits of mean 0 and variance 1, as the authors' code
            does. Predictions have the logits themselves. Defaults to
            ``'paper'``.
        kwargs: Arguments of :class:`LinearClsHead`.

    Raises:
        SettingError: If ``teacher_channels`` or ``copies`` is no integer of at
            least 1, or the mode is unknown.

    Examples:
        >>> architecture = dict(
        ...     type='ImageClassifier',
        ...     backbone=dict(type='CIFARResNet', depth=8),
        ...     neck=None,
        ...     head=dict(
        ...         type='NORMHead',
        ...         num_classes=100,
        ...         in_channels=64,
        ...         teacher_channels=256,
        ...         loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        ...     ),
        ... )
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        teacher_channels: Optional[int] = None,
        copies: int = 8,
        mode: str = 'paper',
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        check_choice(owner, 'mode', mode, ('paper', 'code'))
        check_size(owner, 'teacher_channels', teacher_channels, example=256)
        check_size(owner, 'copies', copies, example=8)
        assert teacher_channels is not None  # for the type checker
        super().__init__(num_classes, in_channels, **kwargs)
        self.mode = mode
        width = copies * teacher_channels
        self.expand = _linear(in_channels, width)
        self.reduce = _linear(width, in_channels)
        self.gap = nn.AdaptiveAvgPool2d(1)

    def pre_logits(self, feats: Tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Transform the last of some maps, (N, C, H, W), and pool it."""
        feature = feats[-1]
        return self.gap(feature + self.reduce(self.expand(feature))).flatten(1)

    def loss(
        self,
        feats: Tuple[torch.Tensor, ...],
        data_samples: List[DataSample],
        **kwargs: Any,
    ) -> Dict[str, torch.Tensor]:
        """Compute the loss, of normalised logits if the mode is the code's."""
        logits = self(feats)
        if self.mode == 'code':
            logits = LOGIT_SCALE * F.layer_norm(
                logits, logits.shape[1:], eps=1e-7
            )
        return self._get_loss(logits, data_samples, **kwargs)

    @torch.no_grad()
    def merged(self) -> Tuple[torch.Tensor, torch.Tensor]:
        r"""Compute the classifier of the pooled map that has the same logits.

        .. math:: W' = W (I + R E), \quad b' = b + W (R e + r)

        with the matrices R and E and the biases r and e of the two layers in
        eval mode.

        Returns:
            tuple[torch.Tensor, torch.Tensor]: Weight (K, C) and bias (K,),
            in the precision of the head.
        """
        # in float64, so that the products round once
        (expand, e), (reduce, r) = map(_matrix, (self.expand, self.reduce))
        weight = self.fc.weight.double()
        bias = self.fc.bias.double() + weight @ (reduce @ e + r)
        weight = weight + weight @ reduce @ expand
        return weight.to(self.fc.weight), bias.to(self.fc.bias)


def _linear(in_channels: int, out_channels: int) -> nn.Sequential:
    """Build a 1x1 convolution with batch normalisation."""
    conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode='fan_out', nonlinearity='relu')
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels))


def _matrix(layer: nn.Sequential) -> Tuple[torch.Tensor, torch.Tensor]:
    """Return the matrix and bias of a layer in eval mode, in float64."""
    conv, norm = layer
    scale = (
        norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    )
    bias = norm.bias.double() - scale * norm.running_mean.double()
    return scale[:, None] * conv.weight.double().flatten(1), bias
