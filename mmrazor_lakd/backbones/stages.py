"""What the networks have in common: stages of blocks, and ``preact``."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Dict, Optional, Sequence, Tuple, Union

import torch
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import nn

from ..errors import SettingError

# He's initialisation, as in most of the literature's CIFAR networks.
HE_INIT = (
    dict(type='Kaiming', layer='Conv2d', nonlinearity='relu'),
    dict(type='Constant', layer='BatchNorm2d', val=1),
)


@dataclass(frozen=True)
class Stages:
    """The stages of a network whose maps can be distilled.

    A backbone class stores them as ``map_stages``, so that a config can say
    ``stages='preact'`` for networks of any depth.

    Attributes:
        names (tuple[str]): Names of the stages, in order. Each has a module
            ``preact``, whose output is its map before the last ReLU.
        skipped (tuple[str]): Stages whose maps the literature doesn't use.
        output (str): The module in a stage whose output the literature takes
            as the stage's. Empty for the stage itself.
    """

    names: Tuple[str, ...] = ('layer1', 'layer2', 'layer3')
    skipped: Tuple[str, ...] = ()
    output: str = ''


FOUR_STAGES = Stages(('layer1', 'layer2', 'layer3', 'layer4'))


def make_stage(
    blocks: Sequence[nn.Module],
    before: Optional[Dict[str, nn.Module]] = None,
    after: Optional[Dict[str, nn.Module]] = None,
    activate: bool = True,
) -> nn.Sequential:
    """Build one stage: its blocks, ``preact`` and the last ReLU.

    The blocks are named ``0`` to ``len(blocks) - 1``. ``preact`` is an
    identity: its output is the stage's map before the last ReLU, under the
    same name for any depth, so that teacher and student can be paired by name.

    Args:
        blocks (Sequence[nn.Module]): The blocks. The last one must leave its
            last activation to the stage.
        before (dict, optional): Modules before the blocks, by name.
        after (dict, optional): Modules after the blocks and before ``preact``.
        activate (bool): Whether there is a ReLU after ``preact``. Defaults to
            True.
    """
    layers = OrderedDict(before or {})
    layers.update((str(index), block) for index, block in enumerate(blocks))
    layers.update(after or {})
    layers['preact'] = nn.Identity()
    if activate:
        # Not in place: that would change the output of preact.
        layers['relu'] = nn.ReLU()
    return nn.Sequential(layers)


class StagedBackbone(BaseBackbone):
    """A backbone made of a stem and a sequence of stages.

    A subclass builds the stages as attributes, sets :attr:`feat_dim`, the
    channels of the last stage's map, and defines :meth:`stem`.

    Args:
        stages (Sequence[str]): Names of the stages, in order.
        out_indices (Sequence[int], optional): The stages to return, counted
            from 0. Defaults to the last one.
        init_cfg (dict | list | tuple, optional): Initialisation.

    Raises:
        SettingError: If there is no such stage.
    """

    map_stages = Stages()
    feat_dim: int

    def __init__(
        self,
        stages: Sequence[str],
        out_indices: Optional[Sequence[int]] = None,
        init_cfg: Union[dict, list, tuple, None] = None,
    ) -> None:
        if isinstance(init_cfg, tuple):
            init_cfg = list(init_cfg)
        super().__init__(init_cfg)
        self.stages = tuple(stages)
        if out_indices is None:
            out_indices = (len(stages) - 1,)
        known = range(len(stages))
        if not out_indices or any(i not in known for i in out_indices):
            listed = ', '.join(map(str, known[:-1]))
            raise SettingError(
                f'{type(self).__name__} has the stages {listed} and '
                f'{known[-1]}, but out_indices is {tuple(out_indices)}.'
            )
        self.out_indices = tuple(out_indices)

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to the first stage's input."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """Map images (N, C, H, W) to the chosen stages' outputs."""
        x = self.stem(x)
        outs = []
        for index, name in enumerate(self.stages):
            x = getattr(self, name)(x)
            if index in self.out_indices:
                outs.append(x)
        return tuple(outs)
