"""A classifier at a boundary, which trains the module before it."""

from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError, check_choice, check_size
from .checks import check_batches, check_labels, check_settings
from .logits_kd_loss import LogitsKDLoss
from .ndam_loss import ACTIVATIONS
from .weighted_square import at_least_float32


def targets_of(data_samples: List[BaseDataElement]) -> torch.Tensor:
    """Collect the labels of a batch, as mmpretrain's heads do.

    Args:
        data_samples (list): mmpretrain's, with ``gt_label``, or with
            ``gt_score`` where Mixup or CutMix has made soft labels.

    Returns:
        torch.Tensor: Class indices (N, ), or soft labels (N, K).

    Raises:
        SettingError: If an image has no label or several.
    """
    counts = [
        sample.gt_label.numel() if 'gt_label' in sample else None
        for sample in data_samples
    ]
    targets = None
    if all('gt_score' in sample for sample in data_samples):
        targets = torch.stack([sample.gt_score for sample in data_samples])
        if None in counts:
            # For a softmax, whose probabilities sum to 1.
            counts = targets.double().sum(1).round(decimals=2).tolist()
    if set(counts) != {1}:
        index, count = next((i, n) for i, n in enumerate(counts) if n != 1)
        raise SettingError(
            f'LocalClassifierLoss needs one label an image (gt_label), or '
            f'soft labels that sum to 1 (gt_score), but image {index} of a '
            f'batch has {count or "none"}; write label_weight=0.0 to learn '
            f"from the teacher's logits alone."
        )
    if targets is None:
        targets = torch.cat([sample.gt_label for sample in data_samples])
    return targets


HEADS = ('0c1f', '1c2f')


def local_head(
    head: str, in_channels: int, num_classes: int, hidden_features: int = 128
) -> Tuple[nn.Module, nn.Module]:
    """Build an auxiliary classifier: what comes before and after pooling.

    The convolution of ``'1c2f'`` doubles the channels and halves the size, as
    InfoPro's after the first two of three stages.

    Args:
        head (str): As InfoPro names them: ``'0c1f'``, no convolution and one
            fully-connected layer, or ``'1c2f'``, one and two.
        in_channels (int): Channels of the map.
        num_classes (int): Number of logits.
        hidden_features (int): Features between two fully-connected layers.
            Defaults to 128.

    Returns:
        tuple[nn.Module, nn.Module]: From a map (N, C, H, W) to a map, and
        from pooled features (N, C') to logits.
    """
    if head == '0c1f':
        return nn.Identity(), nn.Linear(in_channels, num_classes)
    channels = 2 * in_channels
    conv = nn.Conv2d(in_channels, channels, 3, 2, 1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode='fan_out')
    return (
        nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU()),
        nn.Sequential(
            nn.Linear(channels, hidden_features),
            nn.ReLU(),
            nn.Linear(hidden_features, num_classes),
        ),
    )


@MODELS.register_module()
class LocalClassifierLoss(nn.Module):
    r"""The loss of an auxiliary classifier on a local module's map.

    .. math::
        L = w_{label} \, CE(z, y)
            + w_{kd} \, T^2 \, KL(softmax(z_T / T) || softmax(z / T)),
        \quad z = A \, avgpool(relu(F_S)) + b

    Global average pooling and one linear layer turn the student's map
    :math:`F_S` into logits :math:`z`; with ``layers='1c2f'`` a convolution,
    the pooling and two linear layers, see :func:`local_head`. The classifier
    is trained with the student, but isn't part of it: it belongs to the
    distiller, like a connector.

    An image has one label, or the soft labels of Mixup and CutMix. Several
    labels per image would need a separate loss for each class, and are refused
    unless ``label_weight`` is 0.

    Source: local classifiers are from Nokland and Eidnes, "Training Neural
    Networks with Local Error Signals", arXiv 1901.06656; ``'1c2f'`` is from
    the code of Wang et al., "Revisiting Locally Supervised Learning: an
    Alternative to End-to-end Training" (InfoPro), arXiv 2101.10832. Distilling
    the teacher's logits into them is ours; the LAKD paper has no classifiers.

    Args:
        in_channels (int): Channels of the student's map. Set by
            :class:`~mmrazor_lakd.distillers.LAKDDistiller`.
        num_classes (int): Classes of the student. Likewise.
        label_weight (float): Weight of the cross-entropy. Defaults to 0.1.
        kd_weight (float): Weight of the logits KD. Defaults to 0.9; both are
            the weights of KD at the head.
        tau (float): Temperature of the logits KD. Defaults to 4.0.
        activation (str): Applied to the map first: ``'relu'`` (no change for a
            map after a ReLU; a map before it is classified by what the next
            module gets), ``'abs'`` or ``'none'``. Defaults to ``'relu'``.
        loss_weight (float): Weight of the whole loss. Defaults to 1.0.
        layers (str): ``'0c1f'`` or ``'1c2f'``. Defaults to ``'0c1f'``.

    Raises:
        SettingError: If a weight is negative or both are 0, if the head is
            unknown, or if the number of classes is neither found nor given. In
            a step, if an image has no label or several.

    Examples:
        >>> distiller = dict(
        ...     type='LAKDDistiller',
        ...     num_modules=3,
        ...     classifier_loss=dict(type='LocalClassifierLoss'),
        ... )
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: Optional[int],
        label_weight: float = 0.1,
        kd_weight: float = 0.9,
        tau: float = 4.0,
        activation: str = 'relu',
        loss_weight: float = 1.0,
        layers: str = '0c1f',
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        check_choice(owner, 'activation', activation, tuple(ACTIVATIONS))
        check_choice(owner, 'layers', layers, HEADS)
        self.label_weight = label_weight
        self.kd_weight = kd_weight
        self.loss_weight = loss_weight
        check_settings(self)
        if label_weight == kd_weight == 0:
            raise SettingError(
                f'{owner} needs a label_weight or a kd_weight above 0, and '
                f'both are 0; write label_weight=1.0, kd_weight=0.0 for '
                f'labels alone.'
            )
        if num_classes is None:
            raise SettingError(
                f'{owner} finds no number of classes, since the student '
                f'gives no logits (N, K); write num_classes=10, for example.'
            )
        for name, count in (
            ('in_channels', in_channels),
            ('num_classes', num_classes),
        ):
            check_size(owner, name, count)
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.conv, self.fc = local_head(layers, in_channels, num_classes)
        self.kd = LogitsKDLoss(tau=tau)
        self.activation = activation
        # Then teacher and student must have the same classes.
        self.compares_logits = kd_weight > 0

    def forward(
        self,
        feature: torch.Tensor,
        t_logits: torch.Tensor,
        data_samples: List[BaseDataElement],
    ) -> torch.Tensor:
        """Classify a map (N, C, H, W) and compare; return a scalar.

        Args:
            feature (torch.Tensor): The student's map.
            t_logits (torch.Tensor): The teacher's logits, (N, K).
            data_samples (list): The labels, see :func:`targets_of`.
        """
        check_batches(self, feature, t_logits)
        if feature.shape[1] != self.in_channels:
            raise SettingError(
                f'LocalClassifierLoss has in_channels={self.in_channels}, '
                f'but the map has {feature.shape[1]} channels; leave '
                f'in_channels out, and LAKDDistiller finds it.'
            )
        activated = ACTIVATIONS[self.activation](feature)
        pooled = self.conv(activated).mean((2, 3))
        weight = next(self.fc.parameters())
        logits = at_least_float32(self.fc(pooled.to(weight.dtype)))
        loss = logits.new_zeros(())
        if self.label_weight > 0:
            targets = targets_of(data_samples)
            if targets.dim() == 2:
                targets = targets.to(logits.dtype)
            else:
                check_labels(self, targets, self.num_classes)
            label_loss = F.cross_entropy(logits, targets)
            loss = loss + self.label_weight * label_loss
        if self.compares_logits:
            loss = loss + self.kd_weight * self.kd(logits, t_logits)
        return self.loss_weight * loss
