"""The teacher and the students to look into, with their weights."""

import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as CLASSIFIER_PARTS
from mmrazor.registry import MODELS
from torch import nn

from ..algorithms.checkpoint import (
    TEACHER_PREFIX,
    load_network,
    part_of,
    read_checkpoint,
    read_state_dict,
)
from ..errors import SettingError
from .ndam_maps import Look, look

TEACHER = 'teacher'
# a comma before a label, which may hold further commas
LABEL = re.compile(r',label=')


class Network(NamedTuple):
    """A trained classifier.

    Attributes:
        label (str): What it is called in the pictures.
        model (nn.Module): The classifier, in eval mode.
        preprocessor (nn.Module): The data preprocessor of its training.
    """

    label: str
    model: nn.Module
    preprocessor: nn.Module

    def look(self, inputs: torch.Tensor, sources: Sequence[str]) -> Look:
        """Show the network one image.

        Args:
            inputs (torch.Tensor): The image as a pipeline packs it,
                (C, H, W).
            sources (Sequence[str]): Modules that give maps.
        """
        batch = self.preprocessor(dict(inputs=inputs[None]))['inputs']
        return look(self.model, batch, sources)


class StudentFile(NamedTuple):
    """Where a further student is from, as the command line names it."""

    label: str
    config: Optional[str]
    checkpoint: str


def parse_student(text: str) -> StudentFile:
    """Take ``CONFIG,CHECKPOINT,label=NAME`` apart.

    Examples:
        >>> parse_student('configs/kd/kd_a_b_c.py,work_dirs/kd/epoch_9.pth')
        StudentFile(label='kd', config='configs/kd/kd_a_b_c.py', \
checkpoint='work_dirs/kd/epoch_9.pth')
        >>> parse_student('work_dirs/alone/epoch_9.pth').label
        'alone'
        >>> parse_student('epoch_9.pth,label=no teacher').label
        'no teacher'
    """
    files, *labels = LABEL.split(text, maxsplit=1)
    config: Optional[str] = None
    checkpoint = files
    if ',' in files and not Path(files).exists():
        config, _, checkpoint = files.partition(',')
    if config is None:
        label = Path(checkpoint).resolve().parent.name
    else:
        label = name_config(config)
    return StudentFile(labels[0] if labels else label, config, checkpoint)


def name_config(path: str) -> str:
    """Call a config by its method, where the folder is named like that.

    Examples:
        >>> name_config('configs/kd/kd_resnet20_resnet8_1xb64_digits.py')
        'kd'
        >>> name_config('mine.py')
        'mine'
    """
    folder, stem = Path(path).parent.name, Path(path).stem
    return folder if folder and stem.startswith(f'{folder}_') else stem


def check_labels(labels: Sequence[str]) -> None:
    """Refuse networks that would be called the same.

    Raises:
        SettingError: Naming the label.
    """
    for number, label in enumerate([TEACHER, *labels]):
        if label in [TEACHER, *labels][:number]:
            raise SettingError(
                f"Two networks are called '{label}'; tell them apart by "
                f'--label NAME, and by label=NAME behind a comma in --compare.'
            )


def is_distillation(cfg: Config) -> bool:
    """Whether a config trains a student with a teacher beside it."""
    return bool(cfg.model.get('architecture') and cfg.model.get('teacher'))


def load_student(
    cfg: Config, checkpoint: str, label: str, option: str
) -> Tuple[Network, Dict[str, Any]]:
    """Build the network that a config trains, and load it.

    Args:
        cfg (Config): Of a distillation or of a plain training.
        checkpoint (str): Of that training, or of the network alone.
        label (str): What to call it.
        option (str): The option that names the checkpoint, for the messages.

    Returns:
        tuple: The network, and the checkpoint.

    Raises:
        SettingError: If the checkpoint is missing, damaged or another
            network's.
    """
    found = read_checkpoint(checkpoint, option)
    network = _build(cfg, 'architecture', label)
    load_network(
        network.model, found['state_dict'], checkpoint, option, 'student'
    )
    return network, found


def load_teacher(
    cfg: Config,
    path: str,
    student: Dict[str, Any],
    checkpoint: Optional[str] = None,
) -> Tuple[Network, str]:
    """Build a distillation's teacher, and load it.

    Its weights are those of ``checkpoint``, or else those that the student's
    checkpoint holds (MMRazor's do, mmrazor_lakd's don't), or else those that
    the config names.

    Args:
        cfg (Config): Of the distillation.
        path (str): The config's, for the messages.
        student (dict): The student's checkpoint.
        checkpoint (str, optional): The teacher's.

    Returns:
        tuple: The network, and where its weights are from.

    Raises:
        SettingError: If the config has no teacher, or there are no weights
            that fit.
    """
    if not is_distillation(cfg):
        raise SettingError(
            f"The config '{path}' has no teacher to compare with; give the "
            f'config of a distillation with this checkpoint, such as that of '
            f'configs/kd/, or name this one behind --compare.'
        )
    network = _build(cfg, 'teacher', TEACHER)
    held = part_of(student['state_dict'], TEACHER_PREFIX)
    source, option = cfg.model.get('teacher_ckpt'), 'model.teacher_ckpt'
    if checkpoint:
        source, option, held = checkpoint, '--teacher', {}
    if held:
        source, option = "the student's checkpoint", 'checkpoint'
    elif source:
        held = read_state_dict(source, option)
    else:
        raise SettingError(
            f"The config '{path}' names no checkpoint of the teacher; give it "
            f'as --teacher CHECKPOINT.'
        )
    load_network(network.model, held, source, option, 'teacher')
    return network, source


def _build(cfg: Config, role: str, label: str) -> Network:
    """Build one of a config's networks, with its data preprocessor."""
    model_cfg = cfg.model
    # The scopes in which the Runner builds the algorithm and its parts.
    scope = cfg.get('default_scope', 'mmpretrain')
    if is_distillation(cfg):
        scope = model_cfg.get('_scope_', scope)
        model_cfg = model_cfg[role]
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(model_cfg)
    preprocessor = cfg.model.get('data_preprocessor')
    preprocessor = preprocessor or cfg.get('data_preprocessor')
    if preprocessor is None:
        preprocessor = model.data_preprocessor
    else:
        preprocessor = CLASSIFIER_PARTS.build(
            {'type': 'mmpretrain.ClsDataPreprocessor', **preprocessor}
        )
    device = get_device()
    return Network(label, model.to(device).eval(), preprocessor.to(device))


def list_classes(cfg: Config, checkpoint: Dict[str, Any]) -> List[str]:
    """Find the names of the classes, without reading the data.

    Args:
        cfg (Config): With the test data.
        checkpoint (dict): Of a training on them.

    Returns:
        list[str]: Empty if they are nowhere.
    """
    from mmpretrain.registry import DATASETS

    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader') or {}
    dataset = loader.get('dataset', {})
    kind = dataset.get('type')
    known = DATASETS.get(kind) if isinstance(kind, str) else kind
    for source in (
        dataset,
        dataset.get('metainfo') or {},
        checkpoint.get('meta', {}).get('dataset_meta') or {},
        getattr(known, 'METAINFO', {}),
    ):
        classes = source.get('classes')
        if classes and not isinstance(classes, str):
            return [str(name) for name in classes]
    return []
