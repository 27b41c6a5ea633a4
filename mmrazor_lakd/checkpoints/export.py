"""Write the student of a distillation as a network of its own."""

import hashlib
import io
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from ..cli import check_folder
from ..errors import SettingError
from .loading import STUDENT_PREFIX, load_network, read_checkpoint
from .student_config import remaining_parts, student_config
from .weights import part_of

# Where MMEngine's EMAHook saves the other weights.
EMA = 'ema_state_dict'


class Exported(NamedTuple):
    """A student that has been written.

    Attributes:
        weights (Path): Its weights.
        config (Path): Its config.
        model (nn.Module): The student, in eval mode.
        settings (Config): The config that was written.
        needs (list[str]): What its config takes from this package or MMRazor,
            see :func:`remaining_parts`; usually empty.
    """

    weights: Path
    config: Path
    model: nn.Module
    settings: Config
    needs: List[str]


def export_student(
    cfg: Config, checkpoint: str, out: Path, ema: Optional[bool] = None
) -> Exported:
    """Write a student's weights and its config.

    The weights, ``student-1a2b3c4d.pth`` for ``out='student.pth'``, are
    tensors and the names of the classes, which ``torch.load`` reads with
    ``weights_only=True``. Their name has the first eight digits of the file's
    SHA-256, as OpenMMLab's and PyTorch's published files have. Beside them is
    the config, ``student.py``, see :func:`student_config`.

    Args:
        cfg (Config): Config of the distillation.
        checkpoint (str): Its checkpoint.
        out (Path): The file to write, without the hash.
        ema (bool, optional): See :func:`take_student`.

    Raises:
        SettingError: If the config or the checkpoint is not a distillation's,
            they don't fit, or a file exists or can't be written.
    """
    config = student_config(cfg)
    if out.suffix != '.pth':
        raise SettingError(
            f"--out='{out}' is not the name of a checkpoint; let it end in "
            f'.pth.'
        )
    check_new('--out', out, out.with_suffix('.py'))
    found = read_checkpoint(checkpoint, 'checkpoint')
    state_dict = take_student(found, checkpoint, ema)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(config.model).eval()
    load_network(model, state_dict, checkpoint, 'checkpoint', 'student')
    weights = serialize(model.state_dict(), found.get('meta'))
    digits = hashlib.sha256(weights).hexdigest()[:8]
    path = out.with_name(f'{out.stem}-{digits}.pth')
    check_new('--out', path)

    needs = remaining_parts(config, model)
    text = f'# The student of {Path(cfg.filename).name}, alone.\n'
    if needs:
        config.custom_imports = add_import(config.get('custom_imports'))
        text += ''.join(f'# needs mmrazor_lakd for {part}\n' for part in needs)
    out.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(weights)
    out.with_suffix('.py').write_text(text + config.pretty_text)
    return Exported(path, out.with_suffix('.py'), model, config, needs)


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


def take_student(
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
    if ema is None:
        return weights
    others = part_of(checkpoint.get(EMA) or {}, f'module.{STUDENT_PREFIX}')
    if not others:
        raise SettingError(
            f"checkpoint='{path}' has no averaged weights ({EMA}), which an "
            f'EMAHook in custom_hooks would have saved; leave out '
            f'{"--ema" if ema else "--no-ema"}.'
        )
    return weights if ema else others


def serialize(state_dict: Dict[str, Tensor], meta: Optional[Dict]) -> bytes:
    """Return the contents of a plain checkpoint, the same for same weights.

    Args:
        state_dict (dict[str, Tensor]): The weights.
        meta (dict, optional): Of the distillation's checkpoint, from which
            ``dataset_meta`` is kept: the names and colours of the classes.
    """
    dataset = plain((meta or {}).get('dataset_meta') or {})
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


def add_import(imports: Optional[Dict]) -> Dict:
    """Add this package to a config's ``custom_imports``."""
    imports = dict(imports or {})
    others = imports.get('imports') or []
    return {**imports, 'imports': [*others, 'mmrazor_lakd']}
