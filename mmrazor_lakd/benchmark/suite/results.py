"""What a training of a suite ended with, as it is read, kept and found."""

import hashlib
import json
import os
from pathlib import Path
from statistics import mean, median
from typing import Any, Dict, List, Optional

import torch

from ...checkpoints.loading import read_checkpoint, read_state_dict
from ...errors import SettingError
from .suite import TEACHER, Suite, Training

#: what the reports read of a result
RESULT_KEYS = ('pair', 'method', 'seed', 'teacher', 'top1', 'precision')
METRIC = 'accuracy/top1'


def read_accuracies(work_dir: Path) -> Dict[int, float]:
    """Read the accuracy of each epoch from MMEngine's logs.

    Args:
        work_dir (Path): Of one training, which may have been resumed.

    Returns:
        dict[int, float]: Top-1 accuracy in % by epoch, counted from 1.
    """
    found = {}
    for entry in _read_scalars(work_dir):
        if METRIC in entry:
            found[entry['step']] = entry[METRIC]
    return dict(sorted(found.items()))


def read_teacher_accuracy(work_dir: Path) -> Optional[float]:
    """Read what TeacherAccuracyHook found at the start of a training."""
    name = f'teacher/{METRIC}'
    found = [e[name] for e in _read_scalars(work_dir) if name in e]
    return found[0] if found else None


def _read_scalars(work_dir: Path) -> List[Dict[str, Any]]:
    """Read what all starts of a training have logged, in order."""
    entries = []
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        # A process that was killed may have left half a line.
        lines = log.read_text().splitlines()
        entries += [_parse(line, log) for line in lines if line.endswith('}')]
    return entries


def read_step_seconds(work_dir: Path) -> Optional[float]:
    """Read the median time of a logged iteration, in seconds."""
    times = [
        entry['time']
        for entry in _read_scalars(work_dir)
        if 'time' in entry and 'loss' in entry
    ]
    return median(times) if times else None


def read_last_losses(work_dir: Path) -> Dict[str, float]:
    """Read the mean of what was logged of each loss in the last epoch.

    Of methods with one objective it says more than an accuracy that is counted
    in whole images.
    """
    # A resumed training has logged some iterations twice.
    logged = {e['step']: e for e in _read_scalars(work_dir) if 'loss' in e}
    last = max((entry['epoch'] for entry in logged.values()), default=0)
    rows = [e for e in logged.values() if e['epoch'] == last]
    names = [n for n in rows[0] if n == 'loss' or '.' in n] if rows else []
    return {name: mean(row[name] for row in rows) for name in names}


def find_start_epoch(work_dir: Path) -> int:
    """Find the epoch after which a stopped training goes on; 0 for none.

    It is the last one that was both saved and evaluated: an epoch that was
    saved alone is trained again, since MMEngine does not evaluate what it
    resumes from.
    """
    return max(
        (
            epoch
            for epoch in read_accuracies(work_dir)
            if checkpoint_path(work_dir, epoch).is_file()
        ),
        default=0,
    )


def checkpoint_path(work_dir: Path, epoch: int) -> Path:
    """Name the checkpoint of an epoch."""
    return work_dir / f'epoch_{epoch}.pth'


def read_json(path: Path) -> Dict[str, Any]:
    """Read a file that a suite has written.

    Raises:
        SettingError: If it holds anything else.
    """
    return _parse(path.read_text(errors='replace'), path)


def read_result(path: Path) -> Dict[str, Any]:
    """Read a result; see :func:`read_json`."""
    result = read_json(path)
    missing = [name for name in RESULT_KEYS if name not in result]
    if missing:
        raise SettingError(
            f'{path} is no result of a training, since it lacks '
            f'{", ".join(missing)}; remove it, and the training is repeated.'
        )
    return result


def _parse(text: str, path: Path) -> Dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingError(
            f'{path} is damaged ({error}); remove it, and what it held is '
            f'made anew.'
        ) from error
    if not isinstance(found, dict):
        raise SettingError(
            f'{path} holds a {type(found).__name__} in place of a dict; '
            f'remove it, and what it held is made anew.'
        )
    return found


def count_iterations(checkpoint: Path, epochs: int) -> int:
    """Count the iterations of an epoch, from a training's checkpoint."""
    read = read_checkpoint(str(checkpoint), 'checkpoint')
    return read['meta']['iter'] // epochs


def hash_weights(path: Path) -> str:
    """Hash the weights of a checkpoint, whatever else is in it.

    Returns:
        str: 16 hexadecimal digits.
    """
    weights = read_state_dict(str(path), "the teacher's checkpoint ")
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def save_weights(checkpoint: Path, path: Path) -> None:
    """Keep a checkpoint's weights without its optimizer's state."""
    loaded = read_checkpoint(str(checkpoint), 'checkpoint')
    meta = {
        name: value
        for name, value in loaded.get('meta', {}).items()
        if name in ('epoch', 'iter', 'dataset_meta', 'mmengine_version')
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix('.part')
    torch.save(dict(meta=meta, state_dict=loaded['state_dict']), part)
    os.replace(part, path)


def result_path(report: Path, training: Training) -> Path:
    """Name the file of a training's result."""
    return report / 'results' / f'{training.name}.json'


def write_result(path: Path, result: Dict[str, Any]) -> None:
    """Write a result, wholly or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix('.part')
    part.write_text(json.dumps(result, indent=1) + '\n')
    os.replace(part, path)


def read_results(report: Path, suite: Suite) -> List[Dict[str, Any]]:
    """Read the results that a suite has so far, teachers first.

    Results of other settings, such as another number of epochs, may lie in
    the same folder; they are not the suite's.
    """
    wanted = [t for t in suite.teachers.values() if t] + suite.students
    paths = [result_path(report, training) for training in wanted]
    return [read_result(path) for path in paths if path.is_file()]


def count_others(report: Path, suite: Suite) -> int:
    """Count the results in a folder that are not the suite's."""
    wanted = [t for t in suite.teachers.values() if t] + suite.students
    names = {f'{training.name}.json' for training in wanted}
    found = (report / 'results').glob('*.json')
    return sum(path.name not in names for path in found)


def is_teacher(result: Dict[str, Any]) -> bool:
    """Tell whether a result is a teacher's."""
    return result['method'] == TEACHER
