"""Read a network from the user's own config, and see what it has."""

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Dict, List, Optional, Tuple

import torch
from mmengine.config import Config
from mmpretrain.models.backbones import ResNet, ResNet_CIFAR
from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.models.heads import MultiLabelClsHead
from torch import nn

from ...backbones.stages import Stages
from ...checkpoints.model_configs import NetworkConfig, read_package_config
from ...cli import load_config
from ...config_check.kinds import type_name
from ...datasets.class_names import named_classes
from ...errors import SettingError
from ...tracing.dry_run import find_image
from ...tracing.modules import eval_mode, forward_hooks
from ...tracing.passes import run_model
from .image_size import Size
from .loss_pass import LossPass

CLASSIFIER, SEGMENTOR, DETECTOR, OTHER = (
    'classifier',
    'segmentor',
    'detector',
    'model without a head',
)


@dataclass(frozen=True)
class OwnNetwork:
    """A student or teacher of the user's.

    Attributes:
        role (str): ``'student'`` or ``'teacher'``.
        source (str): Path of its config, or ``package::path``.
        cfg (Config): The config.
        scope (str, optional): Scope of the config's types.
        model (nn.Module): The network.
        input_size (tuple[int, int]): Height and width of the images that it
            is shown here.
        backbone (str, optional): Class of the backbone, if it is another than
            in the config. Defaults to None.
        borrows_scope (bool): Whether the scope is the student's, since the
            config says none. Defaults to False.
    """

    role: str
    source: str
    cfg: Config
    scope: Optional[str]
    model: nn.Module
    input_size: Size = (224, 224)
    backbone: Optional[str] = None
    borrows_scope: bool = False

    @property
    def dense_kind(self) -> Optional[str]:
        """Which kind of dense model it is, from its heads; None for none."""
        if hasattr(self.model, 'decode_head'):
            return SEGMENTOR
        heads = ('bbox_head', 'rpn_head', 'roi_head', 'mask_head')
        if any(hasattr(self.model, name) for name in heads):
            return DETECTOR
        return None

    @property
    def kind(self) -> str:
        """What it is: one of the kinds above."""
        if self.dense_kind:
            return self.dense_kind
        shape = self._logits[1]
        return CLASSIFIER if shape and len(shape) == 2 else OTHER

    @property
    def logits(self) -> Optional[str]:
        """Name of the module that outputs the logits; None if there is none.

        It is the innermost one whose output is that of the network.
        """
        return self._logits[0]

    @property
    def logits_size(self) -> Tuple[int, ...]:
        """Height and width of a segmentor's logits; a classifier has none."""
        return tuple(self._logits[1] or ())[2:]

    @property
    def num_classes(self) -> Optional[int]:
        """Number of the logits' classes."""
        shape = self._logits[1]
        return shape[1] if shape else None

    @cached_property
    def _logits(self) -> Tuple[Optional[str], Optional[torch.Size]]:
        """Name of the module that outputs the logits, and their shape."""
        finished: List[Tuple[str, Any]] = []
        hooks = [
            (module, lambda _, inputs, out, n=name: finished.append((n, out)))
            for name, module in self.model.named_modules()
        ]
        try:
            image = find_image(self.model, self.role, self.input_size)
            with forward_hooks(hooks), eval_mode(self.model), torch.no_grad():
                output = run_model(self.model, image)
        except SettingError:
            if isinstance(self.model, ImageClassifier):
                raise
            return None, None
        if not isinstance(output, torch.Tensor) or output.dim() not in (2, 4):
            return None, None
        names = [name for name, found in finished if found is output]
        if not names[0] or names[0].split('.')[0] in ('backbone', 'neck'):
            return None, None
        return names[0], output.shape

    @property
    def preprocessor(self) -> Dict[str, Any]:
        """Config of its data preprocessor."""
        own = self.cfg.model.get('data_preprocessor')
        return own or self.cfg.get('data_preprocessor') or {}

    def class_names(self, checkpoint: Dict[str, Any]) -> List[str]:
        """Names of the classes of its data, if they are known.

        Args:
            checkpoint (dict): From its training; empty without one.
        """
        dataset = (self.training_data or {}).get('dataset') or {}
        while dataset.get('dataset'):  # a repeated one, say
            dataset = dataset['dataset']
        return named_classes(dataset, checkpoint, self.scope)

    @property
    def training_data(self) -> Optional[Dict[str, Any]]:
        """Config of its training data loader; None if it has none."""
        return self.cfg.get('train_dataloader')

    @property
    def mixes(self) -> bool:
        """Whether its images, and with them their labels, are mixed."""
        train_cfg = self.cfg.model.get('train_cfg') or {}
        return bool(
            train_cfg.get('augments')
            or self.preprocessor.get('batch_augments')
        )

    @property
    def has_soft_labels(self) -> bool:
        """Whether its head is given a probability of each class, ever.

        By mixed images, by a data preprocessor that writes labels so, or by
        a hook of mmpretrain's that mixes images in some epochs.
        """
        hooks = self.cfg.get('custom_hooks') or []
        mixed_later = any(
            step.get('batch_augments')
            for hook in hooks
            if type_name(hook.get('type')) == 'SwitchRecipeHook'
            for step in hook.get('schedule') or []
        )
        to_onehot = bool(self.preprocessor.get('to_onehot'))
        return self.mixes or to_onehot or mixed_later

    @property
    def has_several_labels(self) -> bool:
        """Whether its head is given several labels an image."""
        return isinstance(getattr(self.model, 'head', None), MultiLabelClsHead)

    @property
    def why_no_logits(self) -> str:
        """Why its logits can't be compared; empty if they can."""
        if self.has_several_labels:
            return 'an image may have several labels'
        return self.loss_pass.why_no_logits

    @property
    def labels(self) -> Optional[str]:
        """Name of the module that is given the labels; None if none is."""
        return None if self.has_several_labels else self.loss_pass.labels

    @cached_property
    def loss_pass(self) -> LossPass:
        """A pass through its loss."""
        image = find_image(self.model, self.role, self.input_size)
        return LossPass(self.model, image, self.logits)

    @property
    def pooled(self) -> Optional[str]:
        """Name of the pooling layer before the head, if it has the usual."""
        names = dict(self.model.named_modules())
        return 'neck.gap' if 'neck.gap' in names else None

    @property
    def stages(self) -> Optional[Stages]:
        """The stages that the backbone declares, if it does."""
        backbone = getattr(self.model, 'backbone', None)
        return getattr(type(backbone), 'map_stages', None)

    def with_stages(self) -> 'OwnNetwork':
        """Return the network with maps before the last ReLU of each stage.

        That is the same network with the same parameters, of a class of ours,
        if there is one; otherwise this one.
        """
        kinds = {ResNet: 'TappedResNet', ResNet_CIFAR: 'TappedResNet_CIFAR'}
        kind = kinds.get(type(getattr(self.model, 'backbone', None)))
        if kind is None:
            return self
        cfg = copy.deepcopy(self.cfg.model)
        cfg.backbone.type = kind
        model = NetworkConfig(cfg, self.scope).build()
        return replace(self, model=model, backbone=kind)


def read_own(
    source: str, role: str, scope: Optional[str] = None
) -> OwnNetwork:
    """Read and build a network from a config.

    Args:
        source (str): Path of the config, or ``package::path``.
        role (str): ``'student'`` or ``'teacher'``.
        scope (str, optional): The scope of a config that says none. Defaults
            to None.

    Raises:
        SettingError: If there is no such config, or it is not that of a plain
            network.
    """
    where = f"--{role}='{source}'"
    if '::' in source:
        cfg = read_package_config(source, False, where)
    else:
        cfg = load_config(source)
    if not cfg.get('model'):
        raise SettingError(
            f'{where} has no model; name the config with which the {role} '
            f'alone is trained.'
        )
    if 'architecture' in cfg.model:
        raise SettingError(
            f'{where} is a distillation itself; name the config with which '
            f'the {role} alone is trained.'
        )
    if not isinstance(cfg.model.get('type'), str):
        raise SettingError(
            f'{where} has a model without a type, or with a class as its '
            f"type, which MMRazor doesn't take; write type='ImageClassifier', "
            f'for example, in a config without read_base().'
        )
    if role == 'student' and '::' not in source:
        if Config._is_lazy_import(source):
            raise SettingError(
                f"{where} is in MMEngine's new style, by read_base(), which "
                f'no config of _base_ can be over; write it with _base_.'
            )
    said = cfg.model.get('_scope_') or cfg.get('default_scope')
    if said is None and '::' in source:
        said = source.split('::')[0]
    model = NetworkConfig(copy.deepcopy(cfg.model), said or scope).build()
    return OwnNetwork(
        role,
        source,
        cfg,
        said or scope,
        model,
        borrows_scope=said is None and scope is not None,
    )
