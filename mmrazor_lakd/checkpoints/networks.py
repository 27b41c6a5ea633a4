"""Load the trained networks that the command line names."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as CLASSIFIER_PARTS
from torch import nn

from ..cli import load_config
from ..config_check import check_config
from ..config_check.channels import knows_order, packed_order
from ..config_check.first_iteration import explained
from ..config_check.kinds import LOADERS
from ..errors import SettingError
from .loading import (
    TEACHER_PREFIX,
    load_network,
    part_of,
    read_checkpoint,
    read_state_dict,
)
from .model_configs import NetworkConfig, read_network

TEACHER = 'teacher'
#: sections of a config from which networks and data are built
USED = ('model', 'data_preprocessor', *LOADERS)


class Choice(NamedTuple):
    """A network as written on the command line.

    Attributes:
        config (str, optional): Path of its config; None if the user gave
            none.
        checkpoint (str): Path of its weights.
        label (str): Its label.
    """

    config: Optional[str]
    checkpoint: str
    label: str


class Network(NamedTuple):
    """A trained classifier.

    Attributes:
        label (str): Its label.
        model (nn.Module): The model, in eval mode.
        preprocessor (nn.Module): The data preprocessor of its training.
        config (str): Path of its config.
        checkpoint (str): Path of its weights.
    """

    label: str
    model: nn.Module
    preprocessor: nn.Module
    config: str
    checkpoint: str


def parse_choice(
    text: str, option: str, label: Optional[str] = None
) -> Choice:
    """Parse ``[CONFIG.py,]CHECKPOINT[,label=NAME]``.

    Args:
        text (str): The user's text.
        option (str): Its option, for the messages.
        label (str, optional): The label if the user gives none. Defaults to
            its config's method, or to its checkpoint's folder.

    Raises:
        SettingError: If the text has another form.

    Examples:
        >>> parse_choice('a.py,runs/a/epoch_1.pth,label=alone', '--compare')
        Choice(config='a.py', checkpoint='runs/a/epoch_1.pth', label='alone')
        >>> parse_choice('runs/kd/epoch_1.pth', '--compare').label
        'kd'
    """
    # Labels and file names may contain commas.
    files, _, name = text.partition(',label=')
    config, comma, checkpoint = files.rpartition('.py,')
    config = f'{config}.py' if comma else None
    misplaced = checkpoint.startswith('label=') or checkpoint.endswith('.py')
    if misplaced or not checkpoint:
        raise SettingError(
            f'{option} takes CHECKPOINT or CONFIG.py,CHECKPOINT, with '
            f"label=NAME behind a comma if need be, not '{text}'."
        )
    label = name or label
    if label is None and config is not None:
        label = name_config(config)
    elif label is None:
        folder = Path(checkpoint).parent
        label = folder.resolve().name if folder.name else Path(checkpoint).stem
    return Choice(config, checkpoint, label)


def name_config(path: str) -> str:
    """Name a config after its method, if that is the folder's name.

    Examples:
        >>> name_config('configs/kd/kd_resnet20_resnet8_1xb64_digits.py')
        'kd'
        >>> name_config('mine.py')
        'mine'
    """
    folder, stem = Path(path).parent.name, Path(path).stem
    return folder if folder and stem.startswith(f'{folder}_') else stem


def check_labels(labels: Sequence[str]) -> None:
    """Raise if two networks have the same label.

    Raises:
        SettingError: If two do, naming the label.
    """
    for number, label in enumerate(labels):
        if label in labels[:number]:
            raise SettingError(
                f"Two networks are called '{label}'; tell them apart by "
                f'--label NAME, and by label=NAME behind a comma in --compare.'
            )


def read_config(path: str, options: Optional[Dict] = None) -> Config:
    """Read a config, and register what it imports.

    Args:
        path (str): Path of the config.
        options (dict, optional): Settings that override it.

    Raises:
        SettingError: If there is no such config, or it has no model.
    """
    if Path(path).is_file() and Path(path).suffix != '.py':
        raise SettingError(
            f"'{path}' is no config, a file that ends in .py; write the "
            f'config first and then the checkpoint.'
        )
    cfg = load_config(path, options)
    if not cfg.get('model'):
        raise SettingError(
            f"The config '{path}' has no model; give one that tools/train.py "
            f'takes.'
        )
    check_config(cfg, used=USED, scope='mmpretrain')
    return cfg


def load_networks(
    config: str,
    checkpoint: str,
    label: Optional[str] = None,
    teacher: Optional[str] = None,
    compare: Sequence[str] = (),
    options: Optional[Dict] = None,
) -> Tuple[Config, List[Network], Dict[str, Any]]:
    """Load all networks that the command line names.

    Args:
        config (str): Path of the student's config.
        checkpoint (str): Path of the student's checkpoint.
        label (str, optional): The student's label. Defaults to its config's
            method.
        teacher (str, optional): Another teacher, in the form of
            :func:`parse_choice`. Defaults to the config's.
        compare (Sequence[str]): Other students, in the same form.
        options (dict, optional): Settings that override the config.

    Returns:
        tuple: The config; the teacher, its student and other students; the
        student's checkpoint.

    Raises:
        SettingError: If a config or a checkpoint is wrong, or two networks
            have the same label.
    """
    label = label or name_config(config)
    own = Choice(config, checkpoint, label)
    master = None
    if teacher:
        master = parse_choice(teacher, '--teacher', TEACHER)
    others = [parse_choice(text, '--compare') for text in compare]
    labels = [master.label if master else TEACHER, label]
    check_labels(labels + [other.label for other in others])
    cfg = read_config(config, options)
    student, found = load_student(cfg, own, 'checkpoint')
    for choice in [master, *others]:
        if choice is not None and choice.config is not None:
            _check_same_images(cfg, config, choice.config)
    taught = load_teacher(cfg, config, found, master)
    if master is None or master.config is None:
        # In the distillation both got the same batch: where the config has no
        # preprocessor of both, that of the student's own.
        taught = taught._replace(preprocessor=student.preprocessor)
    networks = [taught, student]
    for other in others:
        own_cfg = read_config(other.config) if other.config else cfg
        other = other._replace(config=other.config or config)
        networks.append(load_student(own_cfg, other, '--compare')[0])
    return cfg, networks, found


def _check_same_images(cfg: Config, path: str, other: str) -> None:
    """Check that another config packs the channels as the analysed one.

    Where the order of either isn't known, nothing is said.

    Raises:
        SettingError: If it doesn't: its data preprocessor would lead them to
            its network the other way round.
    """
    orders = [
        packed_order(loader)
        for one in (cfg, read_config(other))
        for loader in [one.get('test_dataloader') or one.get('val_dataloader')]
        if loader and knows_order(loader)
    ]
    if len(set(orders)) > 1:
        raise SettingError(
            f"The pipeline of '{other}' packs images as {orders[1]}, but that "
            f"of '{path}', whose images all networks get, as {orders[0]}; "
            f'give a copy of it without its data loaders, whose '
            f'data_preprocessor has to_rgb the other way round.'
        )


def load_student(
    cfg: Config, choice: Choice, option: str, role: str = 'student'
) -> Tuple[Network, Dict[str, Any]]:
    """Build the network that a config trains, and load it.

    Args:
        cfg (Config): Config of a distillation or of a plain training.
        choice (Choice): Its config and weights; the weights may be from that
            training, or from the network alone.
        option (str): The user's option, for the messages.
        role (str): Its role, for the messages. Defaults to ``'student'``.

    Returns:
        tuple: The network, and the checkpoint.

    Raises:
        SettingError: If the checkpoint is missing, damaged or from another
            network.
    """
    found = read_checkpoint(choice.checkpoint, option)
    network = _build(cfg, 'architecture', choice)
    load_network(
        network.model, found['state_dict'], choice.checkpoint, option, role
    )
    return network, found


def load_teacher(
    cfg: Config,
    path: str,
    student: Dict[str, Any],
    choice: Optional[Choice] = None,
) -> Network:
    """Build the teacher, and load it.

    It is the teacher of ``cfg``, unless ``choice`` names a config. Its
    weights are those of ``choice``, or else those in the student's checkpoint
    (MMRazor's has them, ours doesn't), or else those that ``cfg`` names.

    Args:
        cfg (Config): Config of a distillation; with another teacher, of any
            training.
        path (str): Path of that config.
        student (dict): The student's checkpoint.
        choice (Choice, optional): Another checkpoint, or another teacher.

    Raises:
        SettingError: If the config has no teacher, or no weights fit.
    """
    if choice is not None and choice.config is not None:
        other = read_config(choice.config)
        return load_student(other, choice, '--teacher', 'teacher')[0]
    if not cfg.model.get('teacher'):
        raise SettingError(
            f"The config '{path}' has no teacher to compare with; add "
            f'--teacher CONFIG.py,CHECKPOINT, or give the config of a '
            f'distillation, such as one of configs/kd/, and name this network '
            f'behind --compare.'
        )
    held = part_of(student['state_dict'], TEACHER_PREFIX)
    if isinstance(cfg.model.teacher, (list, tuple)):
        raise SettingError(
            f"The config '{path}' has {len(cfg.model.teacher)} teachers, but "
            f'one is compared with the student; add --teacher '
            f'CONFIG.py,CHECKPOINT.'
        )
    source, option = cfg.model.get('teacher_ckpt'), 'model.teacher_ckpt'
    if choice is not None:
        source, option, held = choice.checkpoint, '--teacher', {}
    if held:
        source, option = "the student's checkpoint", 'checkpoint'
    elif source:
        held = read_state_dict(source, option)
    else:
        raise SettingError(
            f"The config '{path}' names no checkpoint of its teacher; add "
            f'--teacher CHECKPOINT.'
        )
    label = TEACHER if choice is None else choice.label
    network = _build(cfg, 'teacher', Choice(path, source, label))
    load_network(network.model, held, source, option, 'teacher')
    return network


def _build(cfg: Config, role: str, choice: Choice) -> Network:
    """Build one of a config's networks, with its data preprocessor."""
    found = NetworkConfig(cfg.model)
    # The scopes in which the Runner builds the algorithm and its parts.
    scope = cfg.get('default_scope') or 'mmpretrain'
    if cfg.model.get(role):
        scope = cfg.model.get('_scope_', scope)
        # as the training reads it; the checkpoint has the weights
        found = read_network(cfg.model[role], role)._replace(weights=None)
    with explained(cfg):
        with DefaultScope.overwrite_default_scope(scope):
            model = found.build()
        preprocessor = cfg.model.get('data_preprocessor')
        preprocessor = preprocessor or cfg.get('data_preprocessor')
        if preprocessor is None:
            preprocessor = model.data_preprocessor
        else:
            # An algorithm's scope is MMRazor's; its data are the student's.
            package = cfg.get('default_scope') or 'mmpretrain'
            with DefaultScope.overwrite_default_scope(package):
                preprocessor = CLASSIFIER_PARTS.build(
                    {'type': 'mmpretrain.ClsDataPreprocessor', **preprocessor}
                )
    device = get_device()
    return Network(
        choice.label,
        model.to(device).eval(),
        preprocessor.to(device),
        choice.config,
        choice.checkpoint,
    )
