"""Checks that a suite's methods share all that is not their distillation."""

from typing import Any, Dict, List, NamedTuple, Sequence, Set

from mmengine.config import Config

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
        parts (dict): The :data:`PARTS` of its config.
        hooks (dict): The hooks that may change a result, by their paths.
        free (set[str]): What may differ: names of parts, ``default_hooks``
            and ``custom_hooks``, and paths of default hooks.
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
        own (Sequence[str]): Names of its own options; what they change may
            differ.
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
            first += '.' + rest.partition('.')[0]
        free.add(first)
    return Parts(
        {name: decisive_part(cfg, name) for name in PARTS},
        decisive_hooks(cfg, ignored=DISTILLATION_HOOKS),
        free,
    )


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
            if part != known:
                raise SettingError(
                    f'{method} has another {name} than the other methods of '
                    f'{pair}: {part} and not {known}; give it the same, write '
                    f"what shall differ into the method's options, or, if "
                    f'the method is another one without it, name it in '
                    f"'differs'."
                )


def _compared(parts: Parts, name: str, free: Set[str]) -> Any:
    """Return one of :data:`SHARED`, without hooks that may differ."""
    if name != 'custom_hooks':
        return parts.parts[name]
    hooks: List[Any] = []
    for path, hook in parts.hooks.items():
        section = path.replace('[', '.').partition('.')[0]
        if path not in free and section not in free:
            hooks.append(hook)
    return hooks
