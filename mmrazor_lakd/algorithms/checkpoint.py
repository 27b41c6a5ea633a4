"""Checkpoints that fit, and clear words for those that don't."""

import os.path as osp
from typing import Dict

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner.checkpoint import CheckpointLoader, load_state_dict
from torch import nn

from ..errors import SettingError

# Where a distilled student lies in the checkpoint of its training.
STUDENT_PREFIX = 'architecture.'
# Where MMRazor's checkpoints hold the teacher.
TEACHER_PREFIX = 'teacher.'


def read_checkpoint(path: str, option: str) -> Dict:
    """Read a checkpoint.

    Args:
        path (str): A file, or whatever address MMEngine can load.
        option (str): The option that names it, for the messages.

    Returns:
        dict: With the weights as ``state_dict``, whatever else it holds.

    Raises:
        SettingError: If the file doesn't exist or can't be read.
    """
    if '://' not in path and not osp.isfile(path):
        raise SettingError(
            f"{option}='{path}' does not exist; give the path of a checkpoint "
            f'(*.pth), such as tools/train.py writes to its --work-dir.'
        )
    try:
        checkpoint = CheckpointLoader.load_checkpoint(path, 'cpu')
    except Exception as error:  # unpickling garbage can raise anything
        reason = str(error).strip() or type(error).__name__
        reason = reason.split('\n')[0].split('. ')[0]
        raise SettingError(
            f"{option}='{path}' is truncated or no checkpoint of PyTorch "
            f'({reason}); copy or train it anew.'
        ) from error
    if not isinstance(checkpoint, dict):
        raise SettingError(
            f"{option}='{path}' holds a {type(checkpoint).__name__} instead "
            f'of weights; give a checkpoint such as tools/train.py writes.'
        )
    if 'state_dict' not in checkpoint:
        checkpoint = dict(state_dict=checkpoint)
    return checkpoint


def read_state_dict(path: str, option: str) -> Dict[str, torch.Tensor]:
    """Read the weights of a checkpoint; see :func:`read_checkpoint`."""
    return read_checkpoint(path, option)['state_dict']


def part_of(state_dict: Dict, prefix: str) -> Dict[str, torch.Tensor]:
    """Take the weights of one network out of those of a distillation."""
    return {
        key[len(prefix) :]: value
        for key, value in state_dict.items()
        if key.startswith(prefix)
    }


def check_state_dict(
    model: nn.Module, state_dict: Dict, path: str, option: str, role: str
) -> None:
    """Refuse weights that are not exactly those of a model.

    Raises:
        SettingError: Which keys differ, and how many.
    """
    expected = model.state_dict()
    # Written since PyTorch 0.4.1 only, and without meaning for the output.
    missing = [
        key
        for key in expected
        if key not in state_dict and 'num_batches_tracked' not in key
    ]
    unexpected = [key for key in state_dict if key not in expected]
    other = [
        f'{key} {tuple(state_dict[key].shape)} for {tuple(value.shape)}'
        for key, value in expected.items()
        if key in state_dict and state_dict[key].shape != value.shape
    ]
    problems = [
        f'{len(keys)} {kind} (first: {"; ".join(keys[:3])})'
        for kind, keys in (
            ('missing', missing),
            ('unexpected', unexpected),
            ('of another shape', other),
        )
        if keys
    ]
    if problems:
        raise SettingError(
            f"{option}='{path}' is the checkpoint of another architecture "
            f"than the {role}'s: of {len(expected)} keys, "
            f'{", ".join(problems)}; give a checkpoint of the {role} or '
            f'change its config.'
        )


def load_network(
    network: nn.Module, state_dict: Dict, path: str, option: str, role: str
) -> None:
    """Load a network from its own weights or those of its distillation.

    Args:
        network (nn.Module): The network that was trained.
        state_dict (dict): The weights, as :func:`read_state_dict` gives them.
        path (str): Where they are from, for the messages.
        option (str): The option that names them, for the messages.
        role (str): What the network is called there.

    Raises:
        SettingError: If the weights are of another architecture.
    """
    state_dict = part_of(state_dict, STUDENT_PREFIX) or state_dict
    check_state_dict(network, state_dict, path, option, role)
    load_state_dict(network, state_dict, strict=False)


def load_teacher(teacher: nn.Module, path: str) -> None:
    """Load a teacher, from its own checkpoint or that of its distillation.

    Raises:
        SettingError: If the checkpoint is missing, truncated or of another
            architecture.
    """
    option = 'model.teacher_ckpt'
    state_dict = read_state_dict(path, option)
    load_network(teacher, state_dict, path, option, 'teacher')
    print_log(f'Loaded the teacher from {path}', logger='current')


def check_checkpoint(model: nn.Module, path: str, option: str) -> None:
    """Refuse a checkpoint that is not one of exactly this model.

    Args:
        model (nn.Module): The model that is to load it.
        path (str): The checkpoint.
        option (str): The option that names it, for the messages.

    Raises:
        SettingError: If the checkpoint is missing, truncated or of another
            architecture.
    """
    if is_model_wrapper(model):  # DistributedDataParallel
        model = model.module
    state_dict = read_state_dict(path, option)
    if 'teacher' in vars(model):  # FrozenTeacherDistill, see there
        state_dict = {
            key: value
            for key, value in state_dict.items()
            if not key.startswith(TEACHER_PREFIX)
        }
    check_state_dict(model, state_dict, path, option, 'model')
