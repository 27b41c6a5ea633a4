"""From which checkpoint a training resumes, and whether it can."""

import logging
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from mmengine.logging import print_log

from ..checkpoints.loading import check_finite, check_same, read_checkpoint
from ..errors import SettingError
from ..tracing.modules import unwrap_model

OPTION = '--resume'


def find_start(work_dir: str) -> Optional[str]:
    """Find the checkpoint from which a training in a folder resumes.

    It is the one that ``last_checkpoint`` names, by its path or, if the folder
    was moved, by its file name; otherwise, or if that one is damaged, the
    newest complete one in the folder. Skipped files are logged.

    Args:
        work_dir (str): The work directory.

    Returns:
        str: The path, or None if there is no checkpoint.

    Raises:
        SettingError: If there are checkpoints, but no complete one.
    """
    folder = Path(work_dir)
    pointer = _read_pointer(folder / 'last_checkpoint')
    if '://' in pointer:
        return pointer
    named = _find_named(pointer, folder)
    damaged: List[Path] = []
    without_optimizer: List[Path] = []
    for path in [*named, *_newest_first(folder, without=named)]:
        # DeepSpeed checkpoints are folders.
        if path.is_file():
            try:
                found = read_checkpoint(str(path), OPTION)
            except SettingError as error:
                damaged.append(path)
                _warn(str(error))
                continue
            if 'optimizer' not in found and path not in named:
                without_optimizer.append(path)
                continue
        if path not in named:
            _warn(f'{OPTION} goes on from the newest whole one, {path}.')
        return str(path)
    if without_optimizer:  # refused later, with its own message
        return str(without_optimizer[0])
    if damaged:
        raise SettingError(
            f"{OPTION} finds no whole checkpoint in '{work_dir}' (damaged: "
            f'{", ".join(path.name for path in damaged)}); name one of '
            f'another folder, or begin anew without {OPTION}.'
        )
    return None


def _read_pointer(path: Path) -> str:
    """Read which checkpoint is the last one; empty if that is lost."""
    try:
        text = path.read_text(encoding='utf-8').strip()
    except (OSError, UnicodeDecodeError):
        return ''
    return text if text.isprintable() else ''


def _find_named(pointer: str, folder: Path) -> List[Path]:
    """Find the file that ``last_checkpoint`` names, even in a moved folder."""
    if not pointer:
        return []
    places = (Path(pointer), folder / Path(pointer).name)
    return [path for path in places if os.path.exists(path)][:1]


def _newest_first(folder: Path, without: List[Path]) -> List[Path]:
    """List a folder's numbered checkpoints.

    They are sorted by number, since a copied folder has lost its times; times
    decide between names of different kinds (epoch_3.pth, iter_900.pth).
    """
    kinds: Dict[str, List[Tuple[int, Path]]] = {}
    for path in folder.glob('*.pth'):
        match = re.fullmatch(r'(.*?)(\d+)', path.stem)
        if match and not any(path.samefile(other) for other in without):
            kinds.setdefault(match[1], []).append((int(match[2]), path))
    by_time = sorted(
        kinds.values(),
        key=lambda files: max(path.stat().st_mtime for _, path in files),
        reverse=True,
    )
    return [path for files in by_time for _, path in sorted(files)[::-1]]


def _warn(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)


def check_start(runner, path: str) -> None:
    """Raise if a training can't resume exactly from a checkpoint.

    Args:
        runner (Runner): With its optimizer and schedulers built.
        path (str): The checkpoint.

    Raises:
        SettingError: If it is missing, damaged, of another architecture, of
            a training that diverged, or if it lacks the state of the training.
    """
    if '://' not in path and Path(path).is_dir():
        raise SettingError(
            f"{OPTION}='{path}' is a folder; name a checkpoint (*.pth) in "
            f'it, or write {OPTION} alone beside --work-dir={path}.'
        )
    found = read_checkpoint(path, OPTION)
    lacking = _what_it_lacks(runner, found)
    if lacking:
        raise SettingError(
            f"{OPTION}='{path}' has no {lacking}: it was saved without, or is "
            f'a file of weights alone, and no training can go on from it; to '
            f"begin a new one with its weights, write load_from='{path}' "
            f'instead.'
        )
    saved, now = found.get('param_schedulers'), runner.param_schedulers
    if isinstance(now, list) and now and len(saved) != len(now):
        raise SettingError(
            f"{OPTION}='{path}' has the state of {len(saved)} "
            f'param_scheduler, but the config has {len(now)}; go on with '
            f'the same ones.'
        )
    model = unwrap_model(runner.model)
    check_same(model, found['state_dict'], path, OPTION)
    kept = ('state_dict', 'ema_state_dict', 'optimizer')
    state = {key: found[key] for key in kept if key in found}
    check_finite(model, state, path, OPTION)


def _what_it_lacks(runner, found: Dict[str, Any]) -> str:
    """Describe which training state a checkpoint does not hold."""
    lacking = []
    if 'optimizer' not in found:
        lacking.append('state of the optimizer')
    schedulers = runner.param_schedulers
    if schedulers and 'param_schedulers' not in found:
        lacking.append('state of the param_scheduler')
    meta = found.get('meta')
    if not isinstance(meta, dict) or not {'epoch', 'iter'} <= meta.keys():
        lacking.append('epoch and iteration')
    if 'message_hub' not in found:
        lacking.append('message_hub')
    return ' and no '.join(lacking)
