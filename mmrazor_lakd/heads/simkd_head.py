"""SimKD's head: a projector, and the classifier of the teacher."""

from typing import Any, Dict, List, Optional, Tuple, Union

import torch
from mmengine.logging import print_log
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

from ..errors import SettingError, check_size


@MODELS.register_module()
class SimKDHead(LinearClsHead):
    """A student's head that ends with the classifier of its teacher.

    A projector of three convolutions (1x1, 3x3, 1x1), each with batch
    normalisation and a ReLU, brings the student's last map to the teacher's
    width; behind global average pooling is the teacher's classifier, which is
    not trained. Both are part of the student that is used: there is no smaller
    one to take out of it. The student has no neck.

    :class:`~mmrazor_lakd.algorithms.FrozenTeacherDistill` calls
    :meth:`reuse_classifier` and :meth:`keep_classifier`. A checkpoint has the
    classifier, so that testing needs no teacher.

    Source: Chen et al., "Knowledge Distillation with the Reused Teacher
    Classifier", arXiv 2203.14001, figure 2, and the authors' code.

    Args:
        num_classes (int): Number of classes of both networks.
        in_channels (int): Channels of the student's last map.
        teacher_channels (int): Channels of the teacher's, ``in_channels`` of
            its head.
        factor (int): By how much the projector is narrower than the teacher's
            map. Defaults to 2.
        init_cfg (dict | list, optional): Initialisation of the projector.
            Defaults to None: PyTorch's.
        kwargs: Arguments of :class:`ClsHead`.

    Raises:
        SettingError: If ``teacher_channels`` or ``factor`` is no integer of at
            least 1, or ``factor`` is larger than ``teacher_channels``. In a
            training, if the classifier is random, or nothing would be learned.

    Examples:
        >>> architecture = dict(
        ...     type='ImageClassifier',
        ...     backbone=dict(type='CIFARResNet', depth=8),
        ...     neck=None,
        ...     head=dict(
        ...         type='SimKDHead',
        ...         num_classes=100,
        ...         in_channels=64,
        ...         teacher_channels=256,
        ...         loss=dict(type='CrossEntropyLoss', loss_weight=0.0),
        ...     ),
        ... )
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        teacher_channels: Optional[int] = None,
        factor: int = 2,
        init_cfg: Optional[Union[Dict, List]] = None,
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        check_size(owner, 'teacher_channels', teacher_channels, example=256)
        check_size(owner, 'factor', factor, example=2)
        assert teacher_channels is not None  # for the type checker
        middle = teacher_channels // factor
        if not middle:
            raise SettingError(
                f'{owner} has factor={factor} and teacher_channels='
                f'{teacher_channels}, so that its projector would have no '
                f'channel; write a smaller factor, 2 for example.'
            )
        super().__init__(
            num_classes, teacher_channels, init_cfg=init_cfg, **kwargs
        )
        self.fc.requires_grad_(False)
        self.projector = nn.Sequential(
            *_conv(in_channels, middle, 1),
            *_conv(middle, middle, 3),
            *_conv(middle, teacher_channels, 1),
        )
        self.gap = nn.AdaptiveAvgPool2d(1)
        # Whether the classifier is a teacher's, or of a checkpoint.
        self._reused = self._loaded = False

    def pre_logits(self, feats: Tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Project the last of some maps, (N, C, H, W), and pool it."""
        return self.gap(self.projector(feats[-1])).flatten(1)

    def loss(
        self,
        feats: Tuple[torch.Tensor, ...],
        data_samples: List[DataSample],
        **kwargs: Any,
    ) -> Dict[str, torch.Tensor]:
        """Compute the loss of the logits.

        Raises:
            SettingError: In train mode, if the classifier is random, or the
                loss has a weight of 0 and no teacher's classifier is reused.
        """
        owner = type(self).__name__
        if self.training and not self._reused:  # a teacher is not trained
            if not self._loaded:
                raise SettingError(
                    f'{owner} has a frozen classifier with random weights, '
                    f"neither a teacher's nor of a checkpoint; write "
                    f"type='FrozenTeacherDistill' for the model, or load_from "
                    f'a checkpoint of its student with the same classes.'
                )
            if getattr(self.loss_module, 'loss_weight', 1.0) == 0:
                raise SettingError(
                    f"{owner} reuses no teacher's classifier here, and its "
                    f'loss has loss_weight=0, with which the labels teach '
                    f'nothing; write loss_weight=1.0, or '
                    f"type='FrozenTeacherDistill' for the model."
                )
        return super().loss(feats, data_samples, **kwargs)

    def _load_from_state_dict(self, state_dict: Dict, prefix: str, *args):
        """Take note of a classifier that is loaded."""
        weight = state_dict.get(f'{prefix}fc.weight')
        if weight is not None and weight.shape == self.fc.weight.shape:
            self._loaded = True
        super()._load_from_state_dict(state_dict, prefix, *args)

    def keep_classifier(self, state_dict: Dict, prefix: str) -> None:
        """Replace a checkpoint's classifier by this one, which is reused.

        Loading another one would change the teacher, which shares it.

        Args:
            state_dict (dict): Weights to load, which are changed.
            prefix (str): Prefix of this head's.
        """
        own = self.fc.state_dict(prefix=f'{prefix}fc.')
        if any(
            key in state_dict
            and not torch.equal(state_dict[key].to(value), value)
            for key, value in own.items()
        ):
            print_log(
                f'{prefix}fc stays the classifier of the teacher; the '
                f"checkpoint's is another one.",
                logger='current',
            )
        state_dict.update(own)

    def reuse_classifier(self, teacher: nn.Module) -> None:
        """Share the weights of a teacher's classifier, now and when loaded.

        Args:
            teacher (nn.Module): A classifier with a linear ``head.fc``.

        Raises:
            SettingError: If it has none, or one of other numbers of classes
                and channels.
        """
        classifier = getattr(getattr(teacher, 'head', None), 'fc', None)
        expected = tuple(self.fc.weight.shape)
        if not isinstance(classifier, nn.Linear) or classifier.bias is None:
            raise SettingError(
                f'{type(self).__name__} reuses the linear classifier head.fc '
                f"of the teacher, which {type(teacher).__name__} doesn't "
                f'have; choose a teacher with a LinearClsHead.'
            )
        if tuple(classifier.weight.shape) != expected:
            classes, channels = classifier.weight.shape
            raise SettingError(
                f'{type(self).__name__} has num_classes={expected[0]} and '
                f'teacher_channels={expected[1]}, but the classifier of the '
                f'teacher has {classes} classes and {channels} channels; '
                f"write the teacher's numbers."
            )
        self.fc.weight, self.fc.bias = classifier.weight, classifier.bias
        self._reused = True


def _conv(in_channels: int, out_channels: int, size: int) -> List[nn.Module]:
    """List a convolution that keeps the map's size, its BN and its ReLU."""
    return [
        nn.Conv2d(
            in_channels, out_channels, size, padding=size // 2, bias=False
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]
