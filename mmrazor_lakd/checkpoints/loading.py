"""Load checkpoints, with clear errors for those that don't fit."""

import copy
import os.path as osp
from pathlib import Path
from typing import Dict, Optional

import torch
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader, load_state_dict
from torch import nn

from ..errors import SettingError, nearest
from ..tracing.modules import unwrap_model
from .checksum import check_checksum
from .weights import (
    compare_keys,
    describe_tensor,
    explain_unreadable,
    holds_numbers,
    not_finite,
    part_of,
    take_weights,
)

# Prefix of the student's weights in the checkpoint of a distillation.
STUDENT_PREFIX = 'architecture.'
# Prefix of the teacher's weights in MMRazor's checkpoints.
TEACHER_PREFIX = 'teacher.'


def read_checkpoint(path: str, option: str, says_which: bool = True) -> Dict:
    """Read a checkpoint.

    Args:
        path (str): A file, or any address that MMEngine can load.
        option (str): The option that names it, for the messages.
        says_which (bool): See :func:`take_weights`. Defaults to True.

    Returns:
        dict: The contents of the file, with the weights as ``state_dict``,
        whatever their name there (see :func:`take_weights`).

    Raises:
        SettingError: If the file doesn't exist, can't be read or downloaded,
            differs from the checksum beside it, or contains no weights.
    """
    name = f"{option}='{path}'"
    checkpoint = read_file(path, option)
    if not isinstance(checkpoint, dict):
        raise SettingError(
            f'{name} holds a {type(checkpoint).__name__} instead '
            f'of weights; give a checkpoint such as tools/train.py writes.'
        )
    weights = take_weights(checkpoint, name, says_which)
    for key in weights:
        if not key.isprintable():
            raise SettingError(
                f'{name} has a weight whose name {key!r} is not printable; '
                f'give a checkpoint such as tools/train.py writes.'
            )
    if checkpoint is weights:
        return dict(state_dict=weights)
    return dict(checkpoint, state_dict=weights)


def read_file(path: str, option: str) -> object:
    """Read any file saved by PyTorch; see :func:`read_checkpoint`."""
    name = f"{option}='{path}'"
    if '://' not in path and not osp.isfile(osp.expanduser(path)):
        raise SettingError(
            f'{name} does not exist{_files_near(path)}; give the path of a '
            f'checkpoint (*.pth), such as tools/train.py writes to its '
            f'--work-dir.'
        )
    try:
        if '://' not in path:
            check_checksum(path, name)
        return CheckpointLoader.load_checkpoint(path, 'cpu')
    except SettingError:
        raise
    except Exception as error:  # unpickling garbage can raise anything
        raise explain_unreadable(name, error) from error


def _files_near(path: str) -> str:
    """List the checkpoints near a wrong path, as a clause for a message."""
    folder = Path(path).expanduser()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    known = [
        str(file)
        for pattern in ('*.pth', '*/*.pth')
        for file in sorted(folder.glob(pattern))
    ]
    if not known:
        return ''
    return f' (the nearest files are: {nearest(path, known)})'


def read_state_dict(path: str, option: str) -> Dict[str, torch.Tensor]:
    """Read the weights of a checkpoint; see :func:`read_checkpoint`."""
    return read_checkpoint(path, option)['state_dict']


def check_state_dict(
    model: nn.Module, state_dict: Dict, path: str, option: str, role: str
) -> None:
    """Raise if weights are not exactly those of a model.

    Names that the model's own modules change or drop when they load, such as
    those of earlier versions, are no difference.

    Args:
        model (nn.Module): The model that will load them.
        state_dict (dict): The weights.
        path (str): Where they come from, for the messages.
        option (str): The option that names them, for the messages.
        role (str): The model's role, for the messages.

    Raises:
        SettingError: If keys or shapes differ, saying which and how many, a
            weight is of a type that doesn't fit, or a variance is below 0.
    """
    own = model.state_dict()
    expected = {k: v.shape for k, v in own.items()}
    for key, value in state_dict.items():
        if key in own and not holds_numbers(value, own[key]):
            raise SettingError(
                f"{option}='{path}' holds {key} as {describe_tensor(value)}, "
                f'where {describe_tensor(own[key])} is expected; save the '
                f'weights as a network of PyTorch has them.'
            )
    for key, value in state_dict.items():
        if key.endswith('running_var') and key in own and (value < 0).any():
            raise SettingError(
                f"{option}='{path}' holds {key} with a variance below 0, of "
                f'which batch normalisation makes NaN; give another '
                f'checkpoint.'
            )
    problems = []
    differing = compare_keys(expected, state_dict)
    if any(differing.values()) and not differing['of another shape']:
        differing = _differing_loaded(model, state_dict) or differing
    for kind, keys in differing.items():
        if keys:
            first = [f'{key}{text}' for key, text in list(keys.items())[:3]]
            problems.append(f'{len(keys)} {kind} (first: {"; ".join(first)})')
    if problems:
        raise SettingError(
            f"{option}='{path}' is the checkpoint of another architecture "
            f"than the {role}'s: of {len(expected)} keys, "
            f'{", ".join(problems)}; give a checkpoint of the {role} or '
            f'change its config.'
        )


def _differing_loaded(
    model: nn.Module, state_dict: Dict
) -> Optional[Dict[str, Dict[str, str]]]:
    """List the differences that are left once a model has loaded weights.

    Returns:
        dict[str, dict[str, str]]: As of :func:`compare_keys`; None if that
        can't be found out.
    """
    # A distillation loads plain weights, too, and would say so in the log.
    if 'teacher' in vars(model):
        return None
    try:
        found = copy.deepcopy(model).load_state_dict(state_dict, strict=False)
    except Exception:  # of a module's hook, or of one that has no copy
        return None
    counted = [k for k in found.missing_keys if 'num_batches_tracked' not in k]
    return {
        'missing': dict.fromkeys(counted, ''),
        'unexpected': dict.fromkeys(found.unexpected_keys, ''),
    }


def check_finite(
    model: nn.Module, state: Dict, path: str, option: str
) -> None:
    """Raise if weights or an optimizer's state contain NaN or infinity.

    Args:
        model (nn.Module): The model, whose buffers may contain some by
            design, such as an attention mask.
        state (dict): Contents of the checkpoint.
        path (str): The checkpoint.
        option (str): The option that names it, for the messages.

    Raises:
        SettingError: If they do, naming the first such tensor.
    """
    designed = tuple(not_finite(dict(model.named_buffers())))
    for name in not_finite(state):
        if not f'.{name}'.endswith(tuple(f'.{key}' for key in designed)):
            raise SettingError(
                f"{option}='{path}' holds NaN or infinity, first in {name}, "
                f'as after a training that diverged; give an earlier '
                f'checkpoint.'
            )


def fit_weights(
    model: nn.Module, state_dict: Dict, source: str, prefix: str = ''
) -> None:
    """Rename weights, in place, to fit a model with the same student.

    Weights of a plainly trained student are renamed to those of the student
    in a distillation, and vice versa. The number that fit is logged, unless
    all fit without renaming.

    Args:
        model (nn.Module): The model that will load them.
        state_dict (dict): The weights.
        source (str): Where they come from, for the messages.
        prefix (str): Prefix of this model's weights in ``state_dict``.
            Defaults to none.

    Raises:
        SettingError: If no weight matches the model's, by name and shape.
    """
    weights = part_of(state_dict, prefix)
    if not weights:
        return
    own = {
        key: value.shape
        for key, value in model.state_dict().items()
        if 'num_batches_tracked' not in key
    }
    forms = (
        weights,
        {STUDENT_PREFIX + key: value for key, value in weights.items()},
        part_of(weights, STUDENT_PREFIX),
    )
    named = max(forms, key=lambda form: len(own.keys() & form.keys()))
    fitting = [k for k in own if k in named and named[k].shape == own[k]]
    if not fitting:
        raise SettingError(
            f'{source} has no weight of this {type(model).__name__}: it has '
            f'{", ".join(list(weights)[:3])}, ... and the model '
            f'{", ".join(list(own)[:3])}, ...; give a checkpoint of this '
            f'model or of its student.'
        )
    if named is not weights:
        for key in weights:
            del state_dict[prefix + key]
        state_dict.update({prefix + k: v for k, v in named.items()})
    left = [key for key in own if key not in fitting]
    if left or named is not weights:
        others = f'; as they were stay {left[0]} and others' if left else ''
        print_log(
            f'{source} has {len(fitting)} of the {len(own)} weights of this '
            f'{type(model).__name__}, in name and shape{others}.',
            logger='current',
        )


def load_network(
    network: nn.Module, state_dict: Dict, path: str, option: str, role: str
) -> None:
    """Load a network from its own weights or those of its distillation.

    Args:
        network (nn.Module): The network that was trained.
        state_dict (dict): The weights, as from :func:`read_state_dict`.
        path (str): Where they come from, for the messages.
        option (str): The option that names them, for the messages.
        role (str): The network's role, for the messages.

    Raises:
        SettingError: If the weights are from another architecture.
    """
    state_dict = part_of(state_dict, STUDENT_PREFIX) or state_dict
    state_dict = _without_head(network, state_dict, role)
    check_state_dict(network, state_dict, path, option, role)
    check_finite(network, state_dict, path, option)
    load_state_dict(network, state_dict, strict=False)


def _without_head(network: nn.Module, state_dict: Dict, role: str) -> Dict:
    """Drop the weights of parts that a network without a head lacks."""
    if getattr(network, 'head', network) is not None:
        return state_dict
    parts = [name for name, _ in network.named_children()]
    kept = {k: v for k, v in state_dict.items() if k.split('.')[0] in parts}
    dropped = [key for key in state_dict if key not in kept]
    if dropped:
        print_log(
            f'The {role} has no head: {len(dropped)} weights of its '
            f'checkpoint are left out, from {dropped[0]} on.',
            logger='current',
        )
    return kept


def load_teacher_weights(
    teacher: nn.Module, path: str, option: str = 'model.teacher_ckpt'
) -> None:
    """Load a teacher from its own checkpoint or that of its distillation.

    Args:
        teacher (nn.Module): The teacher.
        path (str): The checkpoint.
        option (str): The option that names it, for the messages.

    Raises:
        SettingError: If the checkpoint is missing, truncated or from another
            architecture.
    """
    state_dict = read_state_dict(path, option)
    load_network(teacher, state_dict, path, option, 'teacher')
    print_log(f'Loaded the teacher from {path}', logger='current')


def check_checkpoint(model: nn.Module, path: str, option: str) -> None:
    """Raise if a checkpoint is not from exactly this model.

    It may also be from its student alone, or from its distillation.

    Args:
        model (nn.Module): The model that will load it.
        path (str): The checkpoint.
        option (str): The option that names it, for the messages.

    Raises:
        SettingError: If the checkpoint is missing, truncated or from another
            architecture.
    """
    model = unwrap_model(model)
    state_dict = read_state_dict(path, option)
    held = part_of(state_dict, STUDENT_PREFIX)
    student = getattr(model, 'architecture', None)
    if isinstance(student, nn.Module) and not held:
        check_state_dict(student, state_dict, path, option, 'student')
    elif student is None and held:
        check_state_dict(model, held, path, option, 'model')
    else:
        check_same(model, state_dict, path, option)


def check_same(
    model: nn.Module, state_dict: Dict, path: str, option: str
) -> None:
    """Raise if weights are not exactly those of the whole model.

    Raises:
        SettingError: If keys or shapes differ, saying which and how many.
    """
    if 'teacher' in vars(model):  # FrozenTeacherDistill, see there
        state_dict = {
            key: value
            for key, value in state_dict.items()
            if not key.startswith(TEACHER_PREFIX)
        }
    check_state_dict(model, state_dict, path, option, 'model')
