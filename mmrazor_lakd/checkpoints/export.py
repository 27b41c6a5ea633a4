"""Write the student of a distillation as a network of its own."""

import copy
import hashlib
import io
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from ..cli import check_folder
from ..errors import SettingError
from ..heads import NORMHead
from .loading import STUDENT_PREFIX, load_network, read_checkpoint
from .student_config import remaining_parts, student_config
from .weights import part_of
from .whole_file import write_whole

# Where MMEngine's EMAHook saves the other weights.
EMA = 'ema_state_dict'


class Student(NamedTuple):
    """A student taken out of its distillation.

    Attributes:
        model (nn.Module): The student, in eval mode.
        config (Config): Its own config, see :func:`student_config`.
        dataset (dict): The names and colours of the classes.
        needs (list[str]): What its config takes from this package or MMRazor,
            see :func:`remaining_parts`; usually empty.
    """

    model: nn.Module
    config: Config
    dataset: Dict[str, Any]
    needs: List[str]


def read_student(
    cfg: Config, checkpoint: str, ema: Optional[bool] = None
) -> Student:
    """Take a student out of its distillation.

    Args:
        cfg (Config): Config of the distillation.
        checkpoint (str): Its checkpoint.
        ema (bool, optional): See :func:`student_weights`.

    Raises:
        SettingError: If the config or the checkpoint is not a distillation's,
            or they don't fit.
    """
    config = student_config(cfg)
    found = read_checkpoint(checkpoint, 'checkpoint', says_which=False)
    state_dict = student_weights(found, checkpoint, ema)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        # from a copy, to which models add their defaults
        model = MODELS.build(copy.deepcopy(config.model)).eval()
    load_network(model, state_dict, checkpoint, 'checkpoint', 'student')
    if isinstance(getattr(model, 'head', None), NORMHead):
        model = merge_norm(model, config)
    needs = remaining_parts(config, model)
    if needs:
        imports = dict(config.get('custom_imports') or {})
        others = imports.get('imports') or []
        config.custom_imports = {
            **imports,
            'imports': [*others, 'mmrazor_lakd'],
        }
    dataset = (found.get('meta') or {}).get('dataset_meta') or {}
    return Student(model, config, plain(dataset), needs)


def merge_norm(model: nn.Module, config: Config) -> nn.Module:
    """Merge the layers of NORM into the classifier of a student.

    Args:
        model (nn.Module): A student with a :class:`NORMHead`, in eval mode.
        config (Config): Its config, whose neck and head are replaced by those
            of the plain network.

    Returns:
        nn.Module: The plain network, with the same logits.
    """
    head = config.model.head
    for name in ('teacher_channels', 'copies', 'mode'):
        head.pop(name, None)
    head.type = 'LinearClsHead'
    config.model.neck = ConfigDict(type='GlobalAveragePooling')
    with DefaultScope.overwrite_default_scope(config.default_scope):
        plain = MODELS.build(copy.deepcopy(config.model)).eval()
    weight, bias = model.head.merged()
    own = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith('head.')
    }
    plain.load_state_dict(
        {**own, 'head.fc.weight': weight, 'head.fc.bias': bias}
    )
    return plain


def write_student(student: Student, out: Path) -> Path:
    """Write a student's weights and its config.

    The weights, ``student-1a2b3c4d.pth`` for ``out='student.pth'``, are
    tensors and the names of the classes, which ``torch.load`` reads with
    ``weights_only=True``. Their name has the first eight digits of the file's
    SHA-256, as OpenMMLab's and PyTorch's published files have. Beside them is
    the config, ``student.py``.

    Args:
        student (Student): The student.
        out (Path): The file to write, without the hash.

    Returns:
        Path: The file with the weights.

    Raises:
        SettingError: If a file exists or can't be written.
    """
    check_out(out)
    weights = serialize(student.model.state_dict(), student.dataset)
    digits = hashlib.sha256(weights).hexdigest()[:8]
    path = out.with_name(f'{out.stem}-{digits}.pth')
    # A run that ended before the config has left these same weights.
    if not (path.is_file() and path.read_bytes() == weights):
        check_new('--out', path)
        write_whole(path, weights)
    lines = [f'# needs mmrazor_lakd for {part}\n' for part in student.needs]
    text = ''.join(lines) + student.config.pretty_text
    write_whole(out.with_suffix('.py'), text.encode())
    return path


def check_out(out: Path) -> None:
    """Raise if a student can't be written.

    Raises:
        SettingError: If its name has another ending, or the file exists or
            can't be written.
    """
    if out.suffix != '.pth':
        raise SettingError(
            f"--out='{out}' is not the name of a checkpoint; let it end in "
            f'.pth.'
        )
    check_new('--out', out, out.with_suffix('.py'))


def check_new(option: str, *paths: Path) -> None:
    """Raise if a file exists or can't be written.

    Raises:
        SettingError: If so, naming the option.
    """
    for path in paths:
        if path.exists():
            raise SettingError(
                f"{option}: '{path}' exists; remove it or name another file."
            )
        check_folder(f'the folder of {option}', path.parent)


def student_weights(
    checkpoint: Dict[str, Any], path: str, ema: Optional[bool] = None
) -> Dict[str, Tensor]:
    """Take a student's weights from the checkpoint of its distillation.

    MMEngine's ``EMAHook`` saves the averaged weights, which its tests
    evaluate, as ``state_dict``, and the last weights as ``ema_state_dict``.

    Args:
        checkpoint (dict): The checkpoint, from :func:`read_checkpoint`.
        path (str): Its path, for the messages.
        ema (bool, optional): Whether they must be the averaged weights, or
            must be the last ones. Defaults to None: those of ``state_dict``.

    Raises:
        SettingError: If the checkpoint is not of a distillation, or not of
            one with an ``EMAHook`` although ``ema`` is given.
    """
    weights = part_of(checkpoint['state_dict'], STUDENT_PREFIX)
    if not weights:
        raise SettingError(
            f"checkpoint='{path}' is not of a distillation, since no weight's "
            f"name begins with '{STUDENT_PREFIX}'; give one that the config "
            f'has trained.'
        )
    others = part_of(checkpoint.get(EMA) or {}, f'module.{STUDENT_PREFIX}')
    if ema is not None and not others:
        raise SettingError(
            f"checkpoint='{path}' has no averaged weights ({EMA}), which an "
            f'EMAHook in custom_hooks would have saved; leave out '
            f'{"--ema" if ema else "--no-ema"}.'
        )
    averages = ema is not False
    if others:
        print_log(
            f'Of the sets of weights in {path}, the '
            f'{"averaged" if averages else "last"} ones are taken.',
            logger='current',
        )
    return weights if averages else others


def serialize(state_dict: Dict[str, Tensor], dataset: Dict) -> bytes:
    """Return the contents of a plain checkpoint, the same for same weights.

    Args:
        state_dict (dict[str, Tensor]): The weights.
        dataset (dict): What OpenMMLab's inferencers read as ``dataset_meta``.
    """
    contents = dict(
        meta=dict(dataset_meta=dataset),
        state_dict={
            # of its own, not a view on a larger storage
            key: value.detach()
            .cpu()
            .clone(memory_format=torch.contiguous_format)
            for key, value in state_dict.items()
        },
    )
    # Written to a file, it would hold the file's name.
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    return buffer.getvalue()


def plain(value: Any) -> Any:
    """Convert a value to one of Python's own types, or to its text."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    if hasattr(value, 'tolist'):  # NumPy's and PyTorch's
        return plain(value.tolist())
    if value is None or type(value) in (bool, int, float, str):
        return value
    return str(value)
