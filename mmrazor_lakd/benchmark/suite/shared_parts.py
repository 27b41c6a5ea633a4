"""Checks that a suite's methods share all that is not their distillation."""

import copy
import re
from typing import Any, Dict, List, NamedTuple, Sequence, Set

from mmengine.config import Config

from ...checkpoints.student_config import student_config, untap
from ...config_check.kinds import type_name
from ...errors import SettingError
from .configs import (
    DISTILLATION_HOOKS,
    PARTS,
    SHARED,
    decisive_hooks,
    decisive_part,
)


class Parts(NamedTuple):
    """What a method of a pair shares with the others, or should.

    Attributes:
        parts (dict): The :data:`PARTS` of its config, ``load_from``, and the
            ``backbone`` of its student.
        hooks (dict): The hooks that may change a result, by their paths.
        free (set[str]): What may differ: names of parts, dotted names of
            single settings, ``default_hooks`` and ``custom_hooks``, and paths
            of default hooks.
    """

    parts: Dict[str, Any]
    hooks: Dict[str, Any]
    free: Set[str]


def read_parts(
    cfg: Config, own: Sequence[str], differs: Sequence[str]
) -> Parts:
    """Read what a method should share with the others of its pair.

    Args:
        cfg (Config): Its config.
        own (Sequence[str]): Dotted names of its own options; what they
            change may differ.
        differs (Sequence[str]): Those of :data:`SHARED` that its config has of
            its own.

    Raises:
        SettingError: If a hook has no type.
    """
    free = set(differs)
    if 'custom_hooks' in free:  # which stands for all hooks
        free.add('default_hooks')
    for name in own:
        first, _, rest = name.partition('.')
        # A default hook has a name, so that the others are still compared.
        if first == 'default_hooks' and rest:
            name = f'{first}.{rest.partition(".")[0]}'
        elif first == 'custom_hooks':
            name = first
        elif '.backbone.' in name:
            name = re.sub(r'^model\.(architecture\.)?', '', name)
        # What else stood beside _delete_ is left out, too.
        free.add(re.sub(r'\._delete_$', '', name))
    parts = {name: decisive_part(cfg, name) for name in PARTS}
    parts['load_from'] = cfg.get('load_from')
    parts['backbone'] = _backbone(cfg)
    return Parts(parts, decisive_hooks(cfg, ignored=DISTILLATION_HOOKS), free)


def _backbone(cfg: Config) -> Any:
    """Return the settings of the backbone that is trained.

    Without what a distillation adds to it; heads may be a method's own. None
    if the model, one of the user's, has none.
    """
    model = cfg.to_dict().get('model') or {}
    if 'teacher' in model and isinstance(model.get('architecture'), dict):
        model = student_config(cfg).to_dict()['model']
    else:
        untap(model)
    backbone = Config(dict(backbone=model.get('backbone')))
    found = decisive_part(backbone, 'backbone')
    if isinstance(found, dict) and 'type' in found:
        found['type'] = type_name(found['type'])
    return found


def check_shared(
    method: str, pair: str, found: Parts, others: Sequence[Parts]
) -> None:
    """Check that a method differs from others in its distillation alone.

    Args:
        method (str): Its config and title, for the message.
        pair (str): Name of the pair.
        found (Parts): What it should share.
        others (Sequence[Parts]): The same of the others.

    Raises:
        SettingError: If it has another part than one of them.
    """
    for other in others:
        free = found.free | other.free
        for name in SHARED:
            if name in free and name != 'custom_hooks':
                continue
            part, known = (_compared(p, name, free) for p in (found, other))
            unknown = name == 'backbone' and None in (part, known)
            if part != known and not unknown:
                raise SettingError(
                    f'{method} has another {name} than the other methods of '
                    f'{pair}: {part} and not {known}; give it the same, write '
                    f"what shall differ into the method's options, or, if "
                    f'the method is another one without it, name it in '
                    f"'differs'."
                )


def _compared(parts: Parts, name: str, free: Set[str]) -> Any:
    """Return one of :data:`SHARED`, without settings that may differ."""
    if name != 'custom_hooks':
        part = copy.deepcopy(parts.parts[name])
        for path in free:
            first, *rest = path.split('.')
            if first == name:
                _remove(part, rest)
        return part
    hooks: List[Any] = []
    for path, hook in parts.hooks.items():
        section = path.replace('[', '.').partition('.')[0]
        if path not in free and section not in free:
            hooks.append(hook)
    return hooks


def _remove(part: Any, path: Sequence[str]) -> None:
    """Remove a setting from a part of a config, if it is there.

    So is a section that has no other.
    """
    key, *rest = path
    child = _item(part, key)
    if rest:
        _remove(child, rest)
    if isinstance(part, dict) and (not rest or child == {}):
        part.pop(key, None)
    elif isinstance(part, list) and not rest and child is not None:
        part[int(key)] = None


def _item(part: Any, key: str) -> Any:
    """Return an item of a dict or a list; None if there is none."""
    if isinstance(part, dict):
        return part.get(key)
    if isinstance(part, list) and key.isdigit() and int(key) < len(part):
        return part[int(key)]
    return None
