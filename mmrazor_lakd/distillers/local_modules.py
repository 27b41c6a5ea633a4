"""The entries of ``local_modules``: checked, and made into parts."""

from inspect import signature
from typing import Dict, List, Optional, Tuple

import torch
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError
from .blocks import check_boundaries
from .dry_run import dry_run

ENTRY_KEYS = {
    'student',
    'teacher',
    'isolate',
    'connector',
    'feature_loss',
    'attention_loss',
}


def check_entries(local_modules: List[Dict]) -> None:
    """Refuse entries that can be seen to be wrong without the models.

    Raises:
        SettingError: If a key is unknown or missing, or a module is doubled.
    """
    seen = set()
    for number, entry in enumerate(local_modules, 1):
        where = f'local_modules[{number - 1}]'
        unknown = sorted(set(entry) - ENTRY_KEYS)
        missing = sorted({'student', 'teacher'} - set(entry))
        if unknown or missing:
            problem = f'lacks {missing}' if missing else f'has {unknown}'
            raise SettingError(
                f'{where} {problem}; it takes student and teacher (names '
                f'of modules) and, if need be, isolate, connector, '
                f'feature_loss and attention_loss.'
            )
        if entry['student'] in seen:
            raise SettingError(
                f"{where}: the student's module '{entry['student']}' is "
                f'given twice; one boundary can lie there.'
            )
        seen.add(entry['student'])


def check_models(
    student: nn.Module,
    teacher: nn.Module,
    local_modules: List[Dict],
    input_size: Optional[int],
) -> List[Tuple[torch.Size, torch.Size]]:
    """Look at the maps of both models, and refuse what can't be taught.

    Returns:
        list[tuple]: For each boundary the shapes of the student's and of
        the teacher's map.
    """
    traces = [
        dry_run(
            model,
            [entry[role] for entry in local_modules],
            role,
            input_size,
        )
        for role, model in (('student', student), ('teacher', teacher))
    ]
    s_logits, t_logits = (trace.logits for trace in traces)
    if s_logits and t_logits and s_logits[1:] != t_logits[1:]:
        raise SettingError(
            f'The teacher has {t_logits[-1]} classes and the student '
            f'{s_logits[-1]}; set num_classes of both heads to the '
            f'number of classes of the data.'
        )
    cuts = [e['student'] for e in local_modules if e['isolate']]
    check_boundaries(student, cuts, 'student', input_size)
    return list(zip(*(trace.shapes for trace in traces)))


def build_part(cfg: Optional[Dict], **default_args) -> nn.Module:
    """Build a part in MMRazor's scope, whatever the config's is."""
    if cfg is None:
        return nn.Identity()
    return MODELS.build({'_scope_': 'mmrazor', **cfg, **default_args})


def build_connector(
    cfg: Optional[Dict], index: int, s_shape: torch.Size, t_shape: torch.Size
) -> nn.Module:
    """Build a module's connector and see that it aligns the widths.

    Args:
        cfg (dict, optional): Its config; None for maps of equal width.
        index (int): Which of the ``local_modules`` it belongs to.
        s_shape (torch.Size): Of the student's map, (N, C, H, W).
        t_shape (torch.Size): Of the teacher's map.

    Raises:
        SettingError: If the connector gives another width than the teacher's.
    """
    s_width, t_width = s_shape[1], t_shape[1]
    widths = {}
    if cfg is not None:
        kind = cfg['type']
        cls = MODELS.get(kind) if isinstance(kind, str) else kind
        accepted = signature(cls).parameters if cls else {}
        widths = {
            key: cfg.get(key, width)
            for key, width in (
                ('in_channels', s_width),
                ('out_channels', t_width),
            )
            if key in accepted
        }
    connector = build_part(cfg, **widths)
    training = connector.training
    connector.eval()
    try:
        with torch.no_grad():
            width = connector(torch.zeros(s_shape)).shape[1]
        reason = f'gives {width}'
    except RuntimeError as error:
        width = None
        reason = f'fails ({str(error).splitlines()[0]})'
    connector.train(training)
    if width != t_width:
        kind = 'None' if cfg is None else cfg['type']
        raise SettingError(
            f"local_modules[{index}]: the student's map has "
            f"{s_width} channels and the teacher's {t_width}, but "
            f'connector={kind} {reason}; write '
            f"connector=dict(type='LocalModuleConnector') without widths, "
            f'which finds them by itself.'
        )
    return connector


def describe(local_modules: List[Dict], shapes: List[Tuple]) -> str:
    """Say which module learns what.

    Args:
        local_modules (list[dict]): The boundaries.
        shapes (list[tuple]): From :func:`check_models`.
    """
    lines = ['LAKD trains these local modules:']
    for number, (entry, (s_shape, t_shape)) in enumerate(
        zip(local_modules, shapes), 1
    ):
        cut = 'cut' if entry['isolate'] else 'no cut'
        lines.append(
            f'  module {number}: up to {entry["student"]} '
            f'{tuple(s_shape[1:])} ({cut}), taught by {entry["teacher"]} '
            f'{tuple(t_shape[1:])}'
        )
    lines.append(f'  module {len(local_modules) + 1}: the rest, with the head')
    return '\n'.join(lines)
