"""From which checkpoint a training resumes, and whether it can."""

import logging
import os
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

from mmengine.logging import print_log

from ..checkpoints.loading import check_finite, check_same, read_checkpoint
from ..distillers import LAKDDistiller
from ..errors import SettingError
from ..tracing.modules import unwrap_model
from .resumed_settings import check_settings

OPTION = '--resume'


def find_start(work_dir: str, out_dir: Optional[str] = None) -> Optional[str]:
    """Find the checkpoint from which a training in a folder resumes.

    It is the one that ``last_checkpoint`` names, by its file name if there is
    such a file in the folder, which may be a copy; otherwise, or if that one
    is damaged, the newest complete one in the folder, or else where
    ``out_dir`` or ``last_checkpoint`` say. Skipped files are logged.

    Args:
        work_dir (str): The work directory.
        out_dir (str, optional): The ``out_dir`` of the CheckpointHook, which
            saves in a folder there. Defaults to None: the work directory.

    Returns:
        str: The path, or None if there is no checkpoint.

    Raises:
        SettingError: If there are checkpoints, but no complete one, or
            ``last_checkpoint`` names one and there is none.
    """
    folder = Path(work_dir)
    pointer = _read_pointer(folder / 'last_checkpoint')
    if '://' in pointer:
        return pointer
    folders = [folder]
    if out_dir and '://' not in str(out_dir):
        folders.append(Path(out_dir, folder.resolve().name))
    named = _find_named(pointer, folders)
    damaged: List[Path] = []
    if named and _read(named, damaged):
        return str(named)
    if pointer:
        folders.append(Path(pointer).parent)
    for place in folders:
        found = _newest_whole(place, named, damaged)
        if found is not None:
            return str(found)
    if damaged:
        raise SettingError(
            f"{OPTION} finds no whole checkpoint in '{work_dir}' (damaged: "
            f'{", ".join(path.name for path in damaged)}); name one of '
            f'another folder, or begin anew without {OPTION}.'
        )
    if pointer:
        raise SettingError(
            f"{OPTION}: '{folder / 'last_checkpoint'}' names '{pointer}', "
            f'which does not exist, and there is no other checkpoint beside '
            f'it; write {OPTION}=PATH, or remove last_checkpoint to begin '
            f'anew.'
        )
    return None


def _newest_whole(
    folder: Path, without: Optional[Path], damaged: List[Path]
) -> Optional[Path]:
    """Find the newest whole checkpoint in a folder, except for one.

    One without an optimizer's state is taken if there is no other, and
    refused later, with its own message; but not the best one's weights, which
    may have been saved before there was anything to resume from.
    """
    without_optimizer: List[Path] = []
    starts: List[Tuple[int, int, Path]] = []
    for paths in _numbered(folder, without):
        for path in paths:
            found = _read(path, damaged)
            if found and 'optimizer' in found:
                starts.append((*_progress(found), path))
                break
            if found and not path.name.startswith('best_'):
                without_optimizer.append(path)
    if starts:
        *_, path = max(starts)
        _warn(f'{OPTION} goes on from the newest whole one, {path}.')
        return path
    return without_optimizer[0] if without_optimizer else None


def _read(path: Path, damaged: List[Path]) -> Optional[Dict[str, Any]]:
    """Read a checkpoint; if it is damaged, log and note that."""
    if path.is_dir():  # DeepSpeed's, which hold the optimizer's state
        return dict(optimizer=None)
    try:
        return read_checkpoint(str(path), OPTION)
    except SettingError as error:
        damaged.append(path)
        _warn(f'Skipped: {error}')
        return None


def _progress(checkpoint: Dict[str, Any]) -> Tuple[int, int]:
    """Return a checkpoint's epoch and iteration; 0 if it doesn't say.

    The epochs after a change of the batch may have fewer iterations.
    """
    meta = checkpoint.get('meta')
    known = meta if isinstance(meta, dict) else {}
    iteration, epoch = known.get('iter'), known.get('epoch')
    both = isinstance(iteration, int) and isinstance(epoch, int)
    return (epoch, iteration) if both else (0, 0)


def _read_pointer(path: Path) -> str:
    """Read which checkpoint is the last one; empty if that is lost."""
    try:
        text = path.read_text(encoding='utf-8').strip()
    except (OSError, UnicodeDecodeError):
        return ''
    return text if text.isprintable() else ''


def _find_named(pointer: str, folders: List[Path]) -> Optional[Path]:
    """Find the file that ``last_checkpoint`` names.

    In a folder that was moved or copied that is the folder's own, even if
    there is one, maybe another training's, at the old place.
    """
    if not pointer:
        return None
    name = Path(pointer).name
    places = [*(folder / name for folder in folders), Path(pointer)]
    return next((path for path in places if os.path.exists(path)), None)


def _numbered(folder: Path, without: Optional[Path]) -> Iterable[List[Path]]:
    """List a folder's numbered checkpoints, by kind, the newest ones first.

    What is newest says the number, or the content between names of different
    kinds (epoch_3.pth, iter_900.pth): a copied folder has lost its times, and
    a clock may have been set back.
    """
    kinds: Dict[str, List[Tuple[int, Path]]] = {}
    for path in folder.glob('*.pth'):
        match = re.fullmatch(r'(.*?)(\d+)', path.stem)
        if match and not (without and path.samefile(without)):
            kinds.setdefault(match[1], []).append((int(match[2]), path))
    return [[p for _, p in sorted(files)[::-1]] for files in kinds.values()]


def _warn(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)


def check_start(runner, path: str) -> None:
    """Raise if a training can't resume exactly from a checkpoint.

    Args:
        runner (Runner): With its optimizer and schedulers built.
        path (str): The checkpoint.

    Raises:
        SettingError: If it is missing, damaged, of another architecture, of
            a training that diverged, if it lacks the state of the training,
            if ``num_modules`` chooses other boundaries than then, or if it
            has another optimizer or schedule than the config.
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
    found['param_schedulers'] = found.get('param_schedulers') or []
    saved = _count_schedulers(found['param_schedulers'])
    now = _count_schedulers(runner.param_schedulers or [])
    if saved != now:
        raise SettingError(
            f"{OPTION}='{path}' has the state of {saved} "
            f'param_scheduler, but the config has {now}; go on with '
            f'the same ones.'
        )
    model = unwrap_model(runner.model)
    _check_boundaries(model, found['meta'], path)
    check_same(model, found['state_dict'], path, OPTION)
    _check_groups(runner, found['optimizer'], path)
    check_settings(runner, found, f"{OPTION}='{path}'")
    kept = ('state_dict', 'ema_state_dict', 'optimizer')
    state = {key: found[key] for key in kept if key in found}
    check_finite(model, state, path, OPTION)


def _count_schedulers(found: Any) -> Any:
    """Count schedulers or their states, of each optimizer of several."""
    if isinstance(found, dict):
        return {name: len(each or ()) for name, each in found.items()}
    return len(found)


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
    if not isinstance(found.get('message_hub'), dict):
        lacking.append('message_hub')
    return ' and no '.join(lacking)


def _check_groups(runner, state: Any, path: str) -> None:
    """Raise if an optimizer's state is that of other parameters."""
    optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
    if optimizer is None or not isinstance(state, dict):
        return  # several optimizers
    groups = state.get('param_groups', [])
    before, now = (
        [len(group['params']) for group in found]
        for found in (groups, optimizer.param_groups)
    )
    if groups and before != now:
        raise SettingError(
            f"{OPTION}='{path}' has the state of an optimizer of "
            f'{sum(before)} parameters in {len(before)} group(s), but the '
            f"config's has {sum(now)} in {len(now)}, as after a training of "
            f"MMRazor's SingleTeacherDistill, whose optimizer has the "
            f"teacher's, or after a change of optim_wrapper.paramwise_cfg; to "
            f"begin a new one with its weights, write load_from='{path}' "
            f'instead.'
        )


def note_boundaries(runner, checkpoint: Dict[str, Any]) -> None:
    """Note in a checkpoint where a student's boundaries are."""
    boundaries = _boundaries(unwrap_model(runner.model))
    if boundaries:
        checkpoint['meta']['local_modules'] = boundaries


def _boundaries(model) -> List[Dict[str, Any]]:
    """List the boundaries of a model with LAKD, with what defines each."""
    distiller = getattr(model, 'distiller', None)
    if not isinstance(distiller, LAKDDistiller):
        return []
    return [
        {key: entry[key] for key in ('student', 'teacher', 'isolate')}
        for entry in distiller.local_modules
    ]


def _check_boundaries(model, meta: Dict[str, Any], path: str) -> None:
    """Raise if ``num_modules`` chooses other boundaries than at first.

    The choice depends on what this version of PyTorch saves for the backward
    pass, and on ``input_size``.
    """
    now = _boundaries(model)
    before = meta.get('local_modules', now)  # earlier versions' have none
    if now and model.distiller.num_modules is not None and before != now:
        raise SettingError(
            f"{OPTION}='{path}' was trained with the boundaries {before}, "
            f'where num_modules={model.distiller.num_modules} now chooses '
            f'{now}, as another version of PyTorch or another input_size may '
            f'do; to go on, write local_modules={before} in place of '
            f'num_modules.'
        )
