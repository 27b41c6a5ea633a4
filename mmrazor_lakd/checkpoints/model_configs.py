"""Read the configs of student and teacher without ignoring any setting."""

import copy
import importlib.util
import logging
import os.path as osp
from typing import Any, Dict, NamedTuple, Optional

from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError

# Settings of a data preprocessor that change what a network sees.
IMAGE_KEYS = ('mean', 'std', 'to_rgb', 'bgr_to_rgb', 'rgb_to_bgr')


class NetworkConfig(NamedTuple):
    """What a student or teacher is built from.

    Attributes:
        model (dict | nn.Module): Its config, or the network itself.
        scope (str, optional): Scope of its types; None for the current one.
        weights (str, optional): Published weights to load.
    """

    model: Any
    scope: Optional[str] = None
    weights: Optional[str] = None

    def build(self) -> nn.Module:
        """Build the network, and load its published weights, if any."""
        if not isinstance(self.model, dict):
            return self.model
        if self.scope:
            register_package(self.scope)
        with DefaultScope.overwrite_default_scope(self.scope):
            network = MODELS.build(self.model)
        if self.weights:
            load_checkpoint(network, self.weights)
            network._is_init = True  # or init_weights() would overwrite them
        return network


def read_network(cfg: Any, role: str) -> NetworkConfig:
    """Read a student's or teacher's config, which may name a file.

    With ``cfg_path`` it is the ``model`` of that file, ``package::path`` or
    the path of the user's own file, with the keys beside ``cfg_path`` merged
    in. MMEngine, which MMRazor uses, supports only the former, and drops
    these keys.

    Args:
        cfg (dict | nn.Module): Config of the network, or the network.
        role (str): ``'architecture'`` or ``'teacher'``, for the messages.

    Raises:
        SettingError: If the file can't be read or has no model.
    """
    if not isinstance(cfg, dict) or 'cfg_path' not in cfg:
        return NetworkConfig(cfg)
    if 'type' in cfg:
        raise SettingError(
            f'model.{role} has cfg_path and a type; write cfg_path and what '
            f'differs from that file, or the whole network without cfg_path.'
        )
    cfg = copy.deepcopy(dict(cfg))
    path = cfg.pop('cfg_path')
    # A bool asks for published weights; a network's own setting is a path.
    asks = isinstance(cfg.get('pretrained'), bool)
    pretrained = cfg.pop('pretrained') if asks else False
    given = cfg.pop('_scope_', None)
    where = f"model.{role}.cfg_path='{path}'"
    package = '::' in path
    file = (read_package_config if package else _read_own)(
        path, pretrained, where
    )
    if 'model' not in file:
        raise SettingError(
            f'{where} has no model; name the config of a whole network.'
        )
    file.merge_from_dict(dict(model=cfg))
    if role == 'teacher' and 'data_preprocessor' not in file.model:
        # mmpretrain's configs have it beside the model. Which way round the
        # channels are also depends on how the file's own data pack them.
        own = file.get('data_preprocessor') or {}
        seen = {key: own[key] for key in ('mean', 'std') if key in own}
        if seen:
            file.model.data_preprocessor = seen
    scope = file.get('default_scope') or given
    if package:
        scope = path.split('::')[0]
    return NetworkConfig(file.model, scope, file.get('model_path'))


def read_package_config(path: str, pretrained: bool, where: str) -> Config:
    """Read a config of an installed package.

    Args:
        path (str): ``package::path``.
        pretrained (bool): Whether to look up its published weights.
        where (str): What names it, for the messages.

    Raises:
        SettingError: If the package isn't installed or has no such config.
    """
    package = path.split('::')[0]
    # MMEngine would install one that is missing.
    if importlib.util.find_spec(package) is None:
        raise SettingError(
            f"{where}: the package '{package}' is not installed; install it, "
            f'or write the path of a config file.'
        )
    try:
        return get_config(path, pretrained)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split('\n')[0]
        raise SettingError(
            f'{where} can not be read ({reason}); write '
            f"{package}::folder/name.py as in the package's configs."
        ) from error


def _read_own(path: str, pretrained: bool, where: str) -> Config:
    """Read a config file of the user's."""
    if not osp.isfile(path):
        raise SettingError(
            f'{where} does not exist; write the path of a config file, or '
            f'package::folder/name.py.'
        )
    if pretrained:
        raise SettingError(
            f'{where} is a file of your own, of which no published weights '
            f'are known; leave pretrained out, and name the weights in '
            f'teacher_ckpt or in the init_cfg of the network.'
        )
    return Config.fromfile(path)


def register_package(package: str) -> None:
    """Register all modules of an OpenMMLab package."""
    try:
        utils = importlib.import_module(f'{package}.utils')
    except ImportError:
        return  # the registry will report what is missing
    register = getattr(utils, 'register_all_modules', None)
    if register is not None:
        register(False)


def merge_preprocessors(
    outer: Optional[Dict], student: Any, teacher: Any
) -> Optional[Dict]:
    """Merge the networks' image settings into the one preprocessor.

    An algorithm preprocesses the images of both networks once, so the
    settings in the networks' own configs have no effect.

    Args:
        outer (dict, optional): The algorithm's ``data_preprocessor``.
        student (dict | nn.Module): Config of the student, or the student.
        teacher (dict | nn.Module): The same of the teacher.

    Returns:
        dict: ``outer``, with the student's ``train_cfg.augments`` (Mixup,
        CutMix of mmpretrain) as ``batch_augments``.

    Raises:
        SettingError: If a network has settings of its own that differ.
    """
    if not isinstance(outer, dict):
        return outer
    outer = ConfigDict(copy.deepcopy(outer))
    for role, network in (('architecture', student), ('teacher', teacher)):
        if isinstance(network, dict):
            _check_own(role, network.get('data_preprocessor'), outer)
    if not isinstance(student, dict):
        return outer
    train_cfg = student.get('train_cfg') or {}
    augments = train_cfg.get('augments')
    if augments is not None:
        known = outer.setdefault('batch_augments', train_cfg)
        if known != train_cfg:
            raise SettingError(
                'model.architecture.train_cfg.augments and '
                'data_preprocessor.batch_augments differ, and only one of '
                'them can have effect; write one of the two.'
            )
    return outer


def _check_own(role: str, own: Any, outer: Dict) -> None:
    """Raise if a network's settings differ from those that take effect."""
    if not isinstance(own, dict):
        return
    keys = IMAGE_KEYS if role == 'teacher' else own
    differing = [
        key
        for key in keys
        if key in own
        and key != 'type'
        and as_plain(own[key]) != as_plain(outer.get(key))
    ]
    if differing:
        raise SettingError(
            f'model.{role}.data_preprocessor has no effect, since both '
            f'networks get the images of the top-level data_preprocessor, and '
            f'differs from it in {", ".join(differing)}; write these settings '
            f'there and leave them out here (data_preprocessor=None beside a '
            f'cfg_path).'
        )


def as_plain(value: Any) -> Any:
    """Make settings that do the same equal: tuples and lists, False and none.

    Each of the :data:`IMAGE_KEYS` that is False is so without being written.
    """
    return list(value) if isinstance(value, tuple) else value or None


def warn_of_other_images(teacher: nn.Module, preprocessor: nn.Module) -> None:
    """Warn if a teacher's own config normalises images differently."""
    own = getattr(teacher, 'data_preprocessor', None)
    for name in ('mean', 'std'):
        values = [getattr(part, name, None) for part in (own, preprocessor)]
        if all(value is not None for value in values):
            own_value, value = (v.flatten().tolist() for v in values)
            if own_value != value:
                print_log(
                    f"The teacher's own config has the {name} {own_value}, "
                    f'but its images get {value}: right only if its '
                    f'checkpoint was trained so.',
                    logger='current',
                    level=logging.WARNING,
                )
