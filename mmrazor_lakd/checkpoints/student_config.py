"""Turn the config of a distillation into the student's own."""

from contextlib import suppress
from typing import Any, Dict, List

from mmengine.config import Config
from mmpretrain.registry import MODELS
from torch import nn

from ..backbones.tapped_resnet import PLAIN_CLASSES
from ..config_check.channels import network_order
from ..config_check.kinds import (
    LOADERS,
    class_of,
    find_children,
    find_parts,
    find_sections,
)
from ..config_check.names import KNOWN
from ..config_check.registered import find_class
from ..errors import SettingError
from .loading import STUDENT_PREFIX
from .model_configs import read_network

# Packages that the student's own config should do without.
DISTILLATION = ('mmrazor_lakd', 'mmrazor')
# Settings of MMEngine's that name modules.
MODULE_SETTINGS = ('activation_checkpointing', 'efficient_conv_bn_eval')
# By which the inference of mmdet, mmseg and MMDeploy reads images.
PIPELINES = {'train_pipeline', 'val_pipeline', 'test_pipeline'}
# Of a run that is over, or written anew.
LEFT_OUT = {
    'custom_imports',
    'data_preprocessor',
    'default_scope',
    'experiment_name',
    'launcher',
    'load_from',
    'model',
    'model_wrapper_cfg',
    'resume',
    'work_dir',
}


def student_config(cfg: Config) -> Config:
    """Return the config of a student's plain training.

    It has the student's network, with the data preprocessor of the
    distillation, and the distillation's data, evaluation and schedule. Hooks,
    metrics, loops and wrappers of MMRazor's and ours are replaced by those of
    MMEngine that they extend, or else left out. ``channel_order`` is
    :func:`channel_order`'s, for those who prepare images themselves.

    Args:
        cfg (Config): Config of a distillation.

    Raises:
        SettingError: If it has no student.
    """
    settings = cfg.to_dict()
    algorithm = settings.get('model') or {}
    student = algorithm.get('architecture')
    if not isinstance(student, dict):
        raise SettingError(
            f"The config '{cfg.filename}' has no model.architecture, which is "
            f'the student of a distillation; give the config that the '
            f'checkpoint was trained with.'
        )
    network = read_network(student, 'architecture')
    model = Config(dict(model=network.model)).to_dict()['model']
    untap(model)
    outer = algorithm.get('data_preprocessor')
    outer = outer or settings.get('data_preprocessor')
    if outer:
        own = model.get('data_preprocessor') or {}
        default = {'type': own['type']} if 'type' in own else {}
        model['data_preprocessor'] = {**default, **outer}

    scope, own = settings.get('default_scope'), model.pop('_scope_', None)
    own = own or network.scope
    if scope in (None, *DISTILLATION):
        package, dot, _ = model['type'].partition('.')  # maybe a full path
        scope = own or (package if dot else 'mmpretrain')
    if own not in (None, scope):
        model['_scope_'] = own

    sections = {
        name: value
        for name, value in settings.items()
        if name in (KNOWN - LEFT_OUT) | PIPELINES
    }
    _replace_parts(sections, scope)
    _rename_parameters(sections.get('optim_wrapper') or {})
    _rename_modules(sections)
    others = settings.get('custom_imports') or {}
    names = others.get('imports') or []
    names = [names] if isinstance(names, str) else names
    names = [n for n in names if n.split('.')[0] not in DISTILLATION]
    imports = dict(custom_imports={**others, 'imports': names})
    found = Config(
        dict(
            default_scope=scope,
            **(imports if names else {}),
            model=model,
            **sections,
        )
    )
    found.channel_order = channel_order(found)
    return found


def untap(model: Dict[str, Any]) -> None:
    """Replace a network that gives maps to teach by mmpretrain's own.

    Args:
        model (dict): Config of a network, which is changed.
    """
    backbone = model.get('backbone') or {}
    kind = backbone.get('type')
    with suppress(Exception):  # of a package that is not here
        cls = class_of(kind, MODELS)
        plain = PLAIN_CLASSES.get(cls)  # not of a subclass of the user's
        if plain is not None:
            # mmdet, say, has another ResNet.
            scoped = not isinstance(kind, str) or '.' in kind
            prefix = 'mmpretrain.' if scoped else ''
            backbone['type'] = f'{prefix}{plain.__name__}'


def channel_order(cfg: Config) -> str:
    """Return the order in which a network takes the channels of an image.

    It is that of the images that the pipeline packs, see
    :func:`~mmrazor_lakd.config_check.channels.packed_order`, unless the data
    preprocessor reverses it.

    Args:
        cfg (Config): Config of the network's training.

    Returns:
        str: ``'RGB'`` or ``'BGR'``.
    """
    loaders = (cfg.get(name) for name in reversed(LOADERS))
    loader = next(filter(None, loaders), None)
    return network_order(loader, cfg.model.get('data_preprocessor') or {})


def remaining_parts(cfg: Config, model: nn.Module) -> List[str]:
    """List what a config still takes from MMRazor or from us.

    Args:
        cfg (Config): From :func:`student_config`.
        model (nn.Module): The student.

    Returns:
        list[str]: Such as ``model.backbone: CIFARResNet``. Without these
        classes, the config can't be used.
    """
    found: Dict[str, Any] = {
        f'model.{name}': type(module)
        for name, module in model.named_modules()
        if _is_of_distillation(type(module))
    }
    # not each of its layers
    found = {
        name: cls
        for name, cls in found.items()
        if not any(name.startswith(f'{other}.') for other in found)
    }
    sections = {k: v for k, v in cfg.to_dict().items() if k != 'model'}
    parts = list(find_sections(sections, cfg.default_scope))
    for part in parts:  # which grows in the loop
        cls = find_class(part, nested=True)
        if _is_of_distillation(cls):
            found[part.path] = cls
        parts += find_children(part)
    return [f'{path}: {cls.__name__}' for path, cls in found.items()]


def _replace_parts(sections: Dict[str, Any], scope: str) -> None:
    """Replace or remove the parts that serve a distillation only."""
    hooks = sections.get('default_hooks') or {}
    for name, hook in list(hooks.items()):
        if not _replace(hook, 'hook', scope):
            del hooks[name]
    for name, kind in (
        ('custom_hooks', 'hook'),
        ('val_evaluator', 'metric'),
        ('test_evaluator', 'metric'),
    ):
        if isinstance(sections.get(name), (list, tuple)):
            sections[name] = [
                item for item in sections[name] if _replace(item, kind, scope)
            ]
    for name, kind in (
        ('train_cfg', 'loop'),
        ('val_cfg', 'loop'),
        ('test_cfg', 'loop'),
        ('optim_wrapper', 'optim_wrapper'),
    ):
        _replace(sections.get(name), kind, scope)


def _replace(cfg: Any, kind: str, scope: str) -> bool:
    """Replace a part of a distillation by what it extends; False if it can't.

    Args:
        cfg (dict | None): The part, whose type is changed in place.
        kind (str): One of :data:`~mmrazor_lakd.config_check.kinds.KINDS`.
        scope (str): Scope of its type.
    """
    for part in find_parts('', cfg, kind, scope):
        cls: Any = find_class(part, nested=True)
        if not _is_of_distillation(cls):
            continue
        base = next(c for c in cls.__mro__ if not _is_of_distillation(c))
        known = part.kind.registry.module_dict  # of MMEngine
        if known.get(base.__name__) is not base:
            return False
        part.cfg['type'] = base.__name__
        part.cfg.pop('_scope_', None)
    return True


def _is_of_distillation(cls: Any) -> bool:
    """Check whether a class or function is MMRazor's or ours."""
    return getattr(cls, '__module__', '').split('.')[0] in DISTILLATION


def _rename_parameters(optim_wrapper: Dict[str, Any]) -> None:
    """Let ``paramwise_cfg`` name the parameters as the student has them."""
    paramwise = optim_wrapper.get('paramwise_cfg')
    if paramwise and paramwise.get('custom_keys'):
        paramwise['custom_keys'] = {
            key.replace(STUDENT_PREFIX, '', 1): value
            for key, value in paramwise['custom_keys'].items()
        }


def _rename_modules(sections: Dict[str, Any]) -> None:
    """Let settings name the student's modules alone, as the student has them.

    The algorithm has its student by two names.
    """
    for key in MODULE_SETTINGS:
        names = sections.pop(key, None) or []
        kept = [
            name.partition('.')[2]
            for name in ([names] if isinstance(names, str) else names)
            if name.startswith((STUDENT_PREFIX, 'student.'))
        ]
        if kept:
            sections[key] = kept
