"""The trained networks of an analysis: which, and how they are loaded."""

import argparse
import re
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmrazor.registry import MODELS
from torch import nn

from ..algorithms.checkpoint import load_network, read_state_dict
from ..engine.command_line import load_config
from ..errors import SettingError

# a comma before a file or a label, not one inside of a name
SEPARATOR = re.compile(r',(?=label=)|(?<=\.py),')


class Choice(NamedTuple):
    """A network as it is written on the command line.

    Attributes:
        config (str, optional): Where its architecture is; None where the
            user gave none.
        checkpoint (str): Where its weights are.
        label (str): What it is called.
    """

    config: Optional[str]
    checkpoint: str
    label: str


class Network(NamedTuple):
    """A trained classifier.

    Attributes:
        label (str): What it is called.
        model (nn.Module): In eval mode.
        preprocessor (nn.Module): Of its own training.
        config (str): Where it was described.
        checkpoint (str): Where its weights were.
    """

    label: str
    model: nn.Module
    preprocessor: nn.Module
    config: str
    checkpoint: str


def parse_choice(text: str, option: str) -> Choice:
    """Take ``[CONFIG,]CHECKPOINT[,label=NAME]`` apart.

    Args:
        text (str): What the user wrote.
        option (str): Where, for the messages.

    Raises:
        SettingError: If it is anything else.

    Examples:
        >>> parse_choice('a.py,runs/a/epoch_1.pth,label=alone', '--compare')
        Choice(config='a.py', checkpoint='runs/a/epoch_1.pth', label='alone')
        >>> parse_choice('runs/kd/epoch_1.pth', '--compare').label
        'kd'
    """
    parts = SEPARATOR.split(text)
    labels = [p[len('label=') :] for p in parts if p.startswith('label=')]
    parts = [part for part in parts if not part.startswith('label=')]
    config = parts.pop(0) if parts and parts[0].endswith('.py') else None
    if len(parts) != 1 or not parts[0]:
        raise SettingError(
            f'{option} takes CHECKPOINT or CONFIG.py,CHECKPOINT, with '
            f"label=NAME behind a comma if need be, not '{text}'."
        )
    checkpoint = parts[0]
    stem = Path(config).stem if config else Path(checkpoint).parent.name
    label = labels[-1] if labels else stem or Path(checkpoint).stem
    return Choice(config, checkpoint, label)


def read_config(path: str, options: Sequence[str] = ()) -> Config:
    """Read a config, and register what it imports.

    Args:
        path (str): The config.
        options (Sequence[str]): Settings that override it, as key=value.

    Raises:
        SettingError: If there is no such file, or it has no model.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='*', action=DictAction)
    parsed = parser.parse_args(['--options', *options])
    args = argparse.Namespace(
        config=path,
        cfg_options=parsed.options,
        work_dir=None,
        launcher='none',
        local_rank=0,
    )
    cfg = load_config(args)
    if 'model' not in cfg:
        raise SettingError(
            f"The config '{path}' has no model; give one that tools/train.py "
            f'takes.'
        )
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    return cfg


def load_student(cfg: Config, choice: Choice, option: str) -> Network:
    """Build and load the student of a config, or its only classifier.

    Args:
        cfg (Config): The config.
        choice (Choice): Where config and weights are.
        option (str): Where the user named it, for the messages.

    Raises:
        SettingError: If the checkpoint doesn't fit.
    """
    model = cfg.model.get('architecture', cfg.model)
    return _load(cfg, model, choice, option, 'student')


def load_teacher(
    cfg: Config, path: str, choice: Optional[Choice] = None
) -> Network:
    """Build and load the teacher of a config, or another one.

    Args:
        cfg (Config): The config of a distillation.
        path (str): Where that is.
        choice (Choice, optional): Another checkpoint, or another teacher.

    Raises:
        SettingError: If there is none, or its checkpoint doesn't fit.
    """
    option = '--teacher'
    if choice is not None and choice.config is not None:
        cfg = read_config(choice.config)
        model = cfg.model.get('architecture', cfg.model)
        return _load(cfg, model, choice, option, 'teacher')
    if cfg.model.get('teacher') is None:
        raise SettingError(
            f"The model of '{path}' has no teacher; add "
            f'--teacher CONFIG.py,CHECKPOINT.'
        )
    checkpoint = cfg.model.get('teacher_ckpt')
    if choice is not None:
        checkpoint = choice.checkpoint
    elif checkpoint is None:
        raise SettingError(
            f"The config '{path}' names no checkpoint of its teacher; add "
            f'--teacher CHECKPOINT.'
        )
    else:
        option = 'model.teacher_ckpt'
    choice = Choice(path, checkpoint, 'teacher')
    return _load(cfg, cfg.model.teacher, choice, option, 'teacher')


def _load(cfg, model_cfg, choice, option, role) -> Network:
    """Build a classifier, load its weights, and build its preprocessor."""
    model_cfg = dict(model_cfg)
    preprocessor = (
        model_cfg.pop('data_preprocessor', None)
        or cfg.model.get('data_preprocessor')
        or cfg.get('data_preprocessor')
        or {}
    )
    model = MODELS.build(model_cfg)
    weights = read_state_dict(choice.checkpoint, option)
    load_network(model, weights, choice.checkpoint, option, role)
    return Network(
        label='teacher' if role == 'teacher' else choice.label,
        model=model.eval(),
        preprocessor=MODELS.build(
            dict(
                {'_scope_': 'mmpretrain', 'type': 'ClsDataPreprocessor'},
                **preprocessor,
            )
        ),
        config=choice.config,
        checkpoint=choice.checkpoint,
    )


def check_labels(networks: List[Network]) -> None:
    """Refuse two networks of one name.

    Raises:
        SettingError: If there are two.
    """
    labels = [network.label for network in networks]
    for label in labels:
        if labels.count(label) > 1:
            raise SettingError(
                f"Two networks are called '{label}'; tell them apart by "
                f'label=NAME behind a comma, or by --label NAME for the '
                f'analysed one.'
            )
