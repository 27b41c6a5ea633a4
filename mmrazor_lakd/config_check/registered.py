"""Find types that are not registered, and keys that they don't take."""

import inspect
from importlib.util import find_spec
from typing import Any, Dict, List, Optional

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import MODELS, Registry

from ..errors import SettingError, nearest
from .kinds import Part, find_children, find_sections
from .signatures import DEFAULT_CONSTRUCTOR, arguments_of

#: packages whose models build their parts from unchanged configs
TRUSTED = ('mmengine', 'mmcv', 'mmpretrain', 'mmrazor', 'mmrazor_lakd')
#: keys that MMEngine's registries remove from any config
COMMON = {'type', '_scope_'}
#: how users write a switch as text
SWITCHES = ('true', 'false', 'yes', 'no', 'on', 'off', 'y', 'n', 'none')


def check_parts(cfg: Dict, scope: str) -> None:
    """Raise if a type is not registered, or doesn't take a key.

    What is uncertain is left to MMEngine, which builds it.

    Args:
        cfg (dict): A config.
        scope (str): The scope of types if it has no default_scope.

    Raises:
        SettingError: If there is one, naming the key and the nearest names.
    """
    parts = list(find_sections(cfg, cfg.get('default_scope') or scope))
    sections = len(parts)
    while parts:
        part = parts.pop(0)
        sections -= 1
        cls = find_class(part, nested=sections < 0)
        is_model = part.kind.registry.name == 'model'
        if inspect.isclass(cls):
            _check_keys(part, cls)
            if is_model and cls.__module__.split('.')[0] not in TRUSTED:
                continue
        elif is_model:
            continue
        parts += find_children(part)
        if is_model:
            _check_children(part)


def _check_children(part: Part) -> None:
    """Raise if a part of a model is a plain value."""
    for name in part.kind.children:
        value = part.cfg.get(name)
        if isinstance(value, (str, int, float)):
            raise SettingError(
                f'{part.path}.{name}={value!r}, but a dict with a type is '
                f'expected.'
            )


def find_class(part: Part, nested: bool) -> Optional[object]:
    """Look up a part's type as MMEngine does."""
    name = part.type
    if not isinstance(name, str):
        return name
    name += part.kind.suffix
    root = part.kind.registry
    try:
        if part.kind.scoped:
            with root.switch_scope_and_registry(part.scope) as registry:
                found = registry.get(name)
        else:
            found = root.get(name)
    except (ImportError, TypeError, AssertionError):
        return None  # a broken package or name, which MMEngine will report
    except RuntimeError as error:
        if not str(error).startswith('Failed to get'):
            raise
        found = None
    if not _is_installed(part.cfg.get('_scope_')):
        raise SettingError(
            f"{part.path}._scope_='{part.cfg['_scope_']}' is no package that "
            f'is installed, so that it would have no effect; install it, or '
            f'leave it out.'
        )
    if found is None and not (nested and _may_be_found(part)):
        raise SettingError(unknown_type(part))
    return found


def _is_installed(scope: Optional[str]) -> bool:
    """Check whether a scope, if given, is a package's or a registry's."""
    return (
        scope is None
        or scope in (MODELS.scope, *MODELS.children)
        or _is_package(scope)
    )


def _is_package(name: Any) -> bool:
    """Check whether a name is that of an installed package."""
    try:
        return find_spec(name) is not None
    except (ImportError, AttributeError, TypeError, ValueError):
        return False


def _may_be_found(part: Part) -> bool:
    """Check whether MMEngine may find a type although its scope is unknown.

    In that case it searches the registry of the part's builder.
    """
    children = part.kind.registry.children
    return part.scope not in children and any(
        part.type + part.kind.suffix in registry.module_dict
        for registry in children.values()
    )


def unknown_type(part: Part) -> str:
    """Return the message for a type that is not registered."""
    where = f"{part.path}.type='{part.type}'"
    prefix, dot, _ = part.type.partition('.')
    scope = prefix if dot else part.scope
    root = part.kind.registry
    if scope not in root.children and not _is_package(scope):
        if not dot:
            where += ' without a prefix'
        scopes = [root.scope, *root.children]
        if scope in MODULE2PACKAGE:
            cure = f'install it (pip install {MODULE2PACKAGE[scope]})'
        else:
            cure = f'the nearest ones are: {nearest(scope, scopes)}'
        return (
            f"{where} is looked up in the scope '{scope}', but no package "
            f'of that name is installed; {cure}.'
        )
    names = known_types(root, scope, prefixed=bool(dot))
    if part.kind.suffix:
        names = [
            name[: -len(part.kind.suffix)]
            for name in names
            if name.endswith(part.kind.suffix)
        ]
    return (
        f"{where} is no registered {root.name} of {scope}'s; the nearest "
        f'names are: {nearest(part.type, names)}.'
    )


def known_types(root: Registry, scope: str, prefixed: bool) -> List[str]:
    """List the registered names as written in a scope.

    Args:
        root (Registry): MMEngine's own registry.
        scope (str): The scope, whose own names need no prefix.
        prefixed (bool): Whether to prefix the scope's own names, too.
    """
    own = root.children.get(scope)
    names = [] if own is None else list(own.module_dict)
    if prefixed:
        names = [f'{scope}.{name}' for name in names]
    names += root.module_dict
    for other, registry in root.children.items():
        if other != scope:
            names += [f'{other}.{name}' for name in registry.module_dict]
    return names


def _check_keys(part: Part, cls: type) -> None:
    """Raise if a class doesn't take a key, or a required one is missing."""
    arguments = arguments_of(cls)
    constructor = part.cfg.get('constructor', DEFAULT_CONSTRUCTOR)
    if arguments is None or constructor != DEFAULT_CONSTRUCTOR:
        return
    known = arguments.names - set(part.kind.given)
    for key in part.cfg:
        if key not in arguments.names | COMMON | set(part.kind.taken):
            raise SettingError(unknown_key(part.path, key, cls, known))
        # Python takes any text for True. (Some switches may be a path, too.)
        value = part.cfg[key]
        if key in arguments.switches and str(value).lower() in SWITCHES:
            if isinstance(value, str):
                raise SettingError(
                    f'{part.path}.{key}={value!r} is text, which counts as '
                    f'True; write True or False.'
                )
    missing = arguments.required - set(part.kind.given) - set(part.cfg)
    # Models may get arguments from their parents.
    if missing and part.kind.registry.name != 'model':
        raise SettingError(missing_key(part.path, min(missing), cls))


def unknown_key(path: str, key: str, cls: type, known) -> str:
    """Return the message for an argument that a class doesn't take."""
    names = sorted(known)
    others = (
        f'the nearest ones are: {nearest(key, names)}'
        if names
        else 'it takes none'
    )
    return f'{path}.{key} is no argument of {cls.__name__}; {others}.'


def missing_key(path: str, key: str, cls: type) -> str:
    """Return the message for a missing argument."""
    return f"{path} lacks '{key}', which {cls.__name__} needs; add it."
