"""The losses at one boundary, and what is passed on there."""

import math
from typing import Any, Dict, Optional, Tuple

import torch
from mmrazor.models.task_modules import (
    ModuleInputsRecorder,
    ModuleOutputsRecorder,
    RecorderManager,
)
from torch import nn

from ..connectors import match_size
from ..errors import SettingError
from ..losses import NDAMLoss, check_losses
from ..losses.weighted_square import weighted_square
from ..tracing.modules import eval_mode, find_modules
from ..tracing.token_maps import as_map, map_tensor
from .builders import build_connector, build_part
from .class_counts import check_counts, unwrapped
from .curriculum import mixture
from .early_backward import EarlyBackward
from .kept_maps import KeptMapRecorder
from .local_modules import Shapes
from .map_projection import MapProjection

# Losses between two maps; the third kind takes only the student's.
MAP_KINDS = ('feature', 'attention')
LOSS_KINDS = (*MAP_KINDS, 'classifier')


class LocalTeaching(nn.Module):
    """Teaches a local module, and passes a map on to the next one.

    Args:
        entry (dict): One of the ``local_modules``, with all its keys.
        index (int): Its index, for messages.
        shapes (Shapes): Shapes of the student's and the teacher's map.
        classes (tuple[int, int]): Numbers of classes of both networks; None
            if unknown.
        feeds (bool): Whether :meth:`pass_on` will be called.
        half_maps (bool): Whether the teacher's map is kept in bfloat16.
            Defaults to False.
    """

    def __init__(
        self,
        entry: Dict,
        index: int,
        shapes: Shapes,
        classes: Tuple[Optional[int], Optional[int]],
        feeds: bool,
        half_maps: bool = False,
    ) -> None:
        super().__init__()
        s_shape, t_shape = shapes[:2]
        self.shapes = shapes
        cfgs = {kind: entry[f'{kind}_loss'] for kind in LOSS_KINDS}
        self.early_backward = EarlyBackward()
        self.compares_maps = any(cfgs[kind] is not None for kind in MAP_KINDS)
        self.classifies = cfgs['classifier'] is not None
        self.index = index
        self.s_source = entry['student']
        self.t_source = entry['teacher']
        # No user's recorder can have this name: a dict() in a config takes
        # Python identifiers only.
        self.t_map = f'module{index + 1}.teacher'
        self.kept = KeptMapRecorder(self.t_source, half_maps)
        self.projects = (
            entry['project_maps']
            and self.compares_maps
            and t_shape[1] > s_shape[1]
        )
        # A learned connector that no loss uses would get no gradient.
        self.connector = nn.Identity()
        if self.compares_maps:
            width = s_shape[1] if self.projects else t_shape[1]
            self.connector = build_connector(
                entry['connector'],
                index,
                s_shape,
                torch.Size([t_shape[0], width, *t_shape[2:]]),
            )
        if shapes.student_image == shapes.teacher_image:
            height, width = shapes.teacher_image
            self.kept.images = (height, width)
            self.note_output(torch.zeros(s_shape), t_shape[-2:])
            self.kept.images = None
        self.feeds = feeds
        if feeds:
            self._check_feed(index, s_shape, t_shape)
        known = dict(in_channels=s_shape[1], num_classes=classes[0])
        self.losses = nn.ModuleDict(
            {
                kind: build_part(cfg, **known)
                for kind, cfg in cfgs.items()
                if cfg is not None
            }
        )
        check_losses(self.losses, f'local_modules[{index}]')
        if self.projects:
            attention = dict(self.losses.items()).get('attention')
            self.kept.projection = self.projection = MapProjection(
                t_shape[1], s_shape[1], getattr(attention, 'summand', None)
            )
        self._windows_checked = False
        self.compares_logits = False
        if self.classifies:
            classifier = unwrapped(self.losses['classifier'])
            self.compares_logits = getattr(
                classifier, 'compares_logits', False
            )
        if self.compares_logits:
            check_counts(
                f'the classifier_loss of local_modules[{index}] learns the '
                f"output of the teacher's 'head' behind the student's "
                f"'{entry['student']}'",
                classifier.num_classes,
                classes[1],
                cure=', or write kd_weight=0.0 and label_weight=1.0',
            )

    def _check_feed(
        self, index: int, s_shape: torch.Size, t_shape: torch.Size
    ) -> None:
        """Raise if the teacher's map can't be mixed with the student's."""
        image = torch.zeros(s_shape)
        with eval_mode(self.connector), torch.no_grad():
            identity = self.connector(image) is image
        if not identity or s_shape != t_shape:
            raise SettingError(
                f'local_modules[{index}]: feed mixes two maps of one shape '
                f'without a connector, but the student has '
                f'{tuple(s_shape[1:])}, the teacher {tuple(t_shape[1:])} and '
                f'the connector {"is" if identity else "is not"} the '
                f"identity; write feed='student', or choose modules whose "
                f'maps agree.'
            )

    def check_windows(self, size: Tuple[int, int]) -> None:
        """Raise if a pooling window is larger than the maps.

        Args:
            size (tuple[int, int]): Height and width of the compared maps.

        Raises:
            SettingError: If NDAM's window is. The default is always accepted:
                for a map of 2 x 2 it gives weights of 1, which is harmless.
        """
        largest = max(3, *size)
        for loss in map(unwrapped, self.losses.values()):
            window = None
            if isinstance(loss, NDAMLoss):
                window = loss.map_options['kernel_size']
            if window is not None and window > largest:
                raise SettingError(
                    f'local_modules[{self.index}]: NDAMLoss has kernel_size='
                    f"{window}, but the maps of '{self.s_source}' and "
                    f"'{self.t_source}' are compared at {size[0]}x{size[1]}; "
                    f'write at most {largest - 1 + largest % 2}, or None to '
                    f'pool the whole map.'
                )

    def add_recorders(
        self, recorders: RecorderManager, teacher: nn.Module
    ) -> None:
        """Record what the losses need from the teacher.

        Args:
            recorders (RecorderManager): The teacher's, not yet initialised.
            teacher (nn.Module): The teacher.

        Raises:
            SettingError: If a classifier needs the output of the teacher's
                ``head``, and there is none.
        """
        if self.compares_maps or self.feeds:
            recorders.recorders[self.t_map] = self.kept
        if self.classifies:
            find_modules(teacher, ['head'], 'teacher', 'classifier_loss')
            recorders.recorders['head.logits'] = ModuleOutputsRecorder('head')
            # The inputs of the whole teacher: images and data samples.
            recorders.recorders['model.inputs'] = ModuleInputsRecorder('')

    def note_output(
        self, feature: torch.Tensor, t_size: Optional[Tuple[int, ...]] = None
    ) -> None:
        """Note at which size maps will be compared, before any loss.

        Args:
            feature (torch.Tensor): The student's map, (N, C, H, W).
            t_size (tuple[int, int], optional): Height and width of the
                teacher's. Defaults to None: of its last map.
        """
        if self.compares_maps:
            with eval_mode(self.connector), torch.no_grad():
                feature = self.connector(feature)
            self._note_size(feature.shape[-2:], t_size)

    def _note_size(
        self, size: Tuple[int, ...], t_size: Optional[Tuple[int, ...]] = None
    ) -> None:
        """Note the smaller of the size after the connector and the other."""
        height, width = t_size or self.kept.size or (0, 0)
        if height:
            # Compare at the smaller size: the smaller has no more detail.
            smaller = (min(height, size[0]), min(width, size[1]))
            self.kept.note_compared((height, width), smaller)

    def forward(
        self,
        output: Any,
        recorders: RecorderManager,
        image_size: Optional[Tuple[int, ...]] = None,
    ) -> Dict[str, torch.Tensor]:
        """Compute each loss, a scalar, and release the teacher's map.

        If the map is still to be passed on, :meth:`pass_on` releases it.

        Args:
            output (Any): The student's map, (N, C, H, W) or tokens.
            recorders (RecorderManager): The teacher's, after its forward.
            image_size (tuple, optional): Height and width of the images.

        Raises:
            SettingError: If the number of tokens doesn't fit the images.
        """
        values = {}
        feature = self._as_map(output, image_size, 'student')
        if self.compares_maps:
            recorder = recorders.get_recorder(self.t_map)
            t_feature = self._as_map(
                recorder.get_record_data(), image_size, 'teacher'
            )
            if not self.feeds:
                recorder.reset_data_buffer()
            if self.projects and not self.projection.fitted:
                self.projection.fit(t_feature, self.t_source)
                t_feature = self.projection(t_feature)
            s_feature = self.connector(feature)
            self._note_size(s_feature.shape[-2:])
            size = tuple(map(min, s_feature.shape[-2:], t_feature.shape[-2:]))
            if not self._windows_checked:
                self.check_windows(size)
                self._windows_checked = True
            s_feature = match_size(s_feature, size)
            t_feature = self.kept.rounded(match_size(t_feature, size))
            values = self._compare(s_feature, t_feature)
        if self.classifies:
            logits = recorders.get_recorder('head.logits')
            inputs = recorders.get_recorder('model.inputs')
            values['classifier'] = self.losses['classifier'](
                feature,
                logits.get_record_data(),
                inputs.get_record_data(data_idx=1),
            )
        return values

    def _as_map(self, output: Any, image_size, role: str) -> torch.Tensor:
        """View an output as a map; raise if its tokens form none."""
        feature = as_map(output, image_size)
        if feature is output:
            return feature
        if feature is None or not self._covers(feature, image_size, role):
            source = dict(student=self.s_source, teacher=self.t_source)[role]
            tokens = tuple(getattr(map_tensor(output), 'shape', ()))
            raise SettingError(
                f"local_modules[{self.index}]: the {role}'s module "
                f"'{source}' gives tokens {tokens} in training, which don't "
                f'cover images of {image_size} (as if some were masked); name '
                f'a module whose tokens do, or take another {role}.'
            )
        return feature

    def _covers(self, feature: torch.Tensor, image_size, role: str) -> bool:
        """Check whether as many pixels form a token as in the dry run."""
        if image_size is None:
            return True
        shape = getattr(self.shapes, role)
        image = getattr(self.shapes, f'{role}_image')
        before = math.prod(image) / math.prod(shape[-2:])
        now = math.prod(image_size) / math.prod(feature.shape[-2:])
        # Incomplete patches at the border count as whole ones.
        return before / 2 < now < before * 2

    def pass_on(
        self, output: torch.Tensor, recorders: RecorderManager, share: float
    ) -> torch.Tensor:
        """Mix the teacher's map into what is passed on.

        Args:
            output (torch.Tensor): The student's map, (N, C, H, W).
            recorders (RecorderManager): The teacher's, after its forward.
            share (float): See :func:`mixture`; 1 returns ``output`` itself.
        """
        t_feature = recorders.get_recorder(self.t_map).get_record_data()
        self.release(recorders)
        return output if share == 1 else mixture(output, t_feature, share)

    def release(self, recorders: RecorderManager) -> None:
        """Release the teacher's map, if one is recorded.

        Args:
            recorders (RecorderManager): The teacher's, after its forward.
        """
        if self.t_map in recorders.recorders:
            recorders.get_recorder(self.t_map).reset_data_buffer()

    def _compare(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> Dict[str, torch.Tensor]:
        """Compute the losses between two maps of the same shape.

        A projected map of the teacher's still has the channel for NDAM.

        Those that are weighted squares of the difference are computed
        together, from one difference.
        """
        values, weights = {}, {}
        summed = None
        if self.projects:
            t_feature, summed = self.projection.split(t_feature)
        for kind in MAP_KINDS:
            if kind not in self.losses:
                continue
            loss = self.losses[kind]
            weight = None
            if kind == 'attention' and summed is not None:
                weight = loss.position_weight(t_feature, summed)
            elif hasattr(loss, 'position_weight'):
                weight = loss.position_weight(t_feature)
            if weight is None:
                values[kind] = loss(s_feature, t_feature)
            else:
                weights[kind] = weight
        if weights:
            squares = weighted_square(
                s_feature, t_feature, list(weights.values())
            )
            values.update(zip(weights, squares))
        return values
