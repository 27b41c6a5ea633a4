"""The results of a suite's trainings: reading, keeping and finding them."""

import hashlib
import itertools
import json
import os
import re
from pathlib import Path
from statistics import mean, median
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import torch

from ...checkpoints.loading import read_checkpoint, read_state_dict
from ...checkpoints.whole_file import write_whole
from ...errors import SettingError, is_number
from .evaluators import METRIC
from .settings import TEACHER
from .suite import Suite
from .training import Training, name_training

RESULTS = 'results.jsonl'
#: what identifies a result, and what the reports read, with the types
RESULT_KEYS: Dict[str, Any] = dict(
    pair=str,
    method=str,
    seed=int,
    digest=str,
    teacher=(str, type(None)),
    teacher_top1=(float, int, type(None)),
    top1=list,
    iterations=int,
    precision=str,
    machine=dict,
    commit=str,
    dirty=bool,
    command=str,
)
# MMRazor raises Python's limit of recursion to a million: the decoder's stack
# would overflow before.
DEEPEST = 1000


def read_accuracies(work_dir: Path) -> Dict[int, float]:
    """Read the accuracy of each epoch from MMEngine's logs.

    Args:
        work_dir (Path): Folder of one training, which may have been resumed.

    Returns:
        dict[int, float]: Top-1 accuracy in % by epoch, counted from 1.
    """
    found = {}
    for entry in _read_scalars(work_dir):
        if METRIC in entry:
            found[entry['step']] = entry[METRIC]
    return dict(sorted(found.items()))


def read_teacher_accuracy(work_dir: Path) -> Optional[float]:
    """Read the accuracy that TeacherAccuracyHook logged."""
    name = f'teacher/{METRIC}'
    found = [e[name] for e in _read_scalars(work_dir) if name in e]
    return found[0] if found else None


def _read_scalars(work_dir: Path) -> List[Dict[str, Any]]:
    """Read the logs of all starts of a training, in order."""
    entries = []
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        # A killed process may have left an incomplete line.
        lines = log.read_text().splitlines()
        entries += [
            _parse(line, str(log)) for line in lines if line.endswith('}')
        ]
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
    """Read the mean of each logged loss over the last epoch.

    For methods with the same objective it is finer than an accuracy, which is
    counted in whole images.
    """
    # A resumed training has logged some iterations twice.
    logged = {e['step']: e for e in _read_scalars(work_dir) if 'loss' in e}
    last = max((entry['epoch'] for entry in logged.values()), default=0)
    rows = [e for e in logged.values() if e['epoch'] == last]
    names = [n for n in rows[0] if n == 'loss' or '.' in n] if rows else []
    return {name: mean(row[name] for row in rows) for name in names}


def find_start_epoch(work_dir: Path) -> int:
    """Find the epoch after which a stopped training resumes; 0 for none.

    It is the last one that was both saved and evaluated: an epoch that was
    only saved is trained again, since MMEngine doesn't evaluate the checkpoint
    that it resumes from.
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
    """Return the path of an epoch's checkpoint."""
    return work_dir / f'epoch_{epoch}.pth'


def read_json(path: Path) -> Dict[str, Any]:
    """Read a file that a suite has written.

    Raises:
        SettingError: If it holds anything else.
    """
    return _parse(path.read_text(errors='replace'), str(path))


def _parse(text: str, place: str) -> Dict[str, Any]:
    try:
        steps = (1 if b in '[{' else -1 for b in re.findall(r'[][{}]', text))
        if max(itertools.accumulate(steps), default=0) > DEEPEST:
            raise ValueError('its brackets are nested too deeply')
        found = json.loads(text)
    except ValueError as error:  # as the decoder's are
        raise SettingError(
            f'{place} is damaged ({error}); remove it, and what it held is '
            f'made anew.'
        ) from error
    if not isinstance(found, dict):
        raise SettingError(
            f'{place} holds a {type(found).__name__} in place of a dict; '
            f'remove it, and what it held is made anew.'
        )
    return found


def count_iterations(checkpoint: Path, epochs: int) -> int:
    """Count the iterations of an epoch, from a training's checkpoint."""
    read = read_checkpoint(str(checkpoint), 'checkpoint')
    return read['meta']['iter'] // epochs


def hash_weights(path: Path) -> str:
    """Hash the weights of a checkpoint and nothing else in it.

    Returns:
        str: 16 hexadecimal digits.
    """
    weights = read_state_dict(str(path), "the teacher's checkpoint ")
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        # As bytes, since NumPy has no bfloat16.
        values = weights[name].detach().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def hash_text(text: str) -> str:
    """Hash a text, to as many digits as :func:`hash_weights`."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_weights(checkpoint: Path, path: Path) -> None:
    """Save a checkpoint's weights without the optimizer's state."""
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


class Kept(NamedTuple):
    """A result kept by a report.

    Attributes:
        place (str): Its location, for messages.
        result (dict): The result.
    """

    place: str
    result: Dict[str, Any]


def write_result(report: Path, result: Dict[str, Any]) -> None:
    """Add a result to a report atomically.

    It replaces one of the same training, such as of a teacher whose weights
    were lost. The folder's lock keeps others from writing meanwhile.
    """
    path = report / RESULTS
    lines = path.read_text().splitlines() if path.is_file() else []
    lines = [n for n in lines if _name(json.loads(n)) != _name(result)]
    text = '\n'.join([*lines, json.dumps(result)]) + '\n'
    write_whole(path, text.encode())


def read_kept(report: Path) -> Dict[str, Kept]:
    """Read all results of a report, by the names of their trainings.

    They are in results.jsonl, a line each, in files next to it copied from
    other machines (results*.jsonl), and in results/, where earlier versions
    kept a file for each.

    Raises:
        SettingError: If one is damaged, or two of the same training differ.
    """
    found: Dict[str, Kept] = {}
    for kept in _read_all(report):
        _check_result(kept)
        other = found.setdefault(_name(kept.result), kept)
        if other.result != kept.result:
            raise SettingError(
                f'{kept.place} is another result of the training of '
                f'{other.place}; remove one of them.'
            )
    return found


def _check_result(kept: Kept) -> None:
    """Raise if a line was not written by a suite."""
    missing = [name for name in RESULT_KEYS if name not in kept.result]
    wrong = [
        f'{name}={kept.result[name]!r}'
        for name, kind in RESULT_KEYS.items()
        if name not in missing and not isinstance(kept.result[name], kind)
    ]
    top1 = kept.result.get('top1')
    if not wrong and not (top1 and all(map(is_number, top1))):
        wrong = [f'top1={top1!r}']
    if missing or wrong:
        reason = f'it has {wrong[0]}'
        if missing:
            reason = f'it lacks {", ".join(missing)}'
        raise SettingError(
            f'{kept.place} is no result of a training, since {reason}; '
            f'remove it, and the training is repeated.'
        )


def _name(result: Dict[str, Any]) -> str:
    """Return the name of a result's training, like :attr:`Training.name`."""
    key = ('pair', 'method', 'seed', 'digest')
    return name_training(*(result[part] for part in key))


def _read_all(report: Path) -> Iterator[Kept]:
    for path in sorted(report.glob('results*.jsonl')):
        lines = path.read_text(errors='replace').splitlines()
        for number, line in enumerate(lines, 1):
            place = f'Line {number} of {path}'
            yield Kept(place, _parse(line, place))
    for path in sorted((report / 'results').glob('*.json')):
        yield Kept(str(path), read_json(path))


def read_results(report: Path, suite: Suite) -> List[Dict[str, Any]]:
    """Read the results that a suite has so far, teachers first.

    Results of other settings, such as another number of epochs, may be in the
    same folder; they don't belong to the suite.
    """
    kept = read_kept(report)
    found = []
    for training in _wanted(suite):
        if training.name not in kept:
            continue
        place, result = kept[training.name]
        if len(result['top1']) != training.epochs:
            raise SettingError(
                f'{place} has the accuracies of {len(result["top1"])} epochs '
                f'in place of {training.epochs}; remove it, and the training '
                f'is repeated.'
            )
        # The title may since have changed in case or punctuation.
        found.append({**result, 'method': training.method})
    return found


def count_others(report: Path, suite: Suite) -> int:
    """Count the results in a folder that are not the suite's."""
    names = {training.name for training in _wanted(suite)}
    return len(read_kept(report).keys() - names)


def _wanted(suite: Suite) -> List[Training]:
    return [t for t in suite.teachers.values() if t] + suite.students


def is_teacher(result: Dict[str, Any]) -> bool:
    """Check whether a result is a teacher's."""
    return result['method'] == TEACHER
