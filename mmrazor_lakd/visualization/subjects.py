"""What tools/visualize.py looks at: networks, their modules, the data."""

import argparse
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from mmengine.config import Config

from ..engine.command_line import load_config
from ..errors import SettingError
from .boundaries import Boundary, check_networks, find_boundaries
from .networks import (
    Network,
    check_labels,
    list_classes,
    load_student,
    load_teacher,
    name_config,
    parse_student,
)
from .samples import Reader, Sample
from .sheet import Sheet


class Subjects(NamedTuple):
    """The networks, and what belongs to them.

    Attributes:
        networks (list[Network]): The teacher, its student, other students.
        sources (list[str]): Where the weights of each are from.
        boundaries (list[Boundary]): The modules to look at.
        classes (list[str]): Names of the classes; empty where not known.
        reader (Reader): Of the images.
    """

    networks: List[Network]
    sources: List[str]
    boundaries: List[Boundary]
    classes: List[str]
    reader: Reader

    def look(self, sample: Sample) -> Sheet:
        """Show an image to all networks."""
        teacher, *students = self.networks
        looks = {
            teacher.label: teacher.look(
                sample.inputs, [b.teacher for b in self.boundaries]
            )
        }
        for student in students:
            looks[student.label] = student.look(
                sample.inputs, [b.student for b in self.boundaries]
            )
        return Sheet(sample, looks)


def load_subjects(args: argparse.Namespace) -> Subjects:
    """Load what the command line names.

    Args:
        args (argparse.Namespace): As tools/visualize.py parses them.

    Raises:
        SettingError: If a config, a checkpoint or a module is wrong.
    """
    others = [parse_student(text) for text in args.compare]
    label = args.label or name_config(args.config)
    check_labels([label, *(other.label for other in others)])
    cfg = read_config(args.config, args.cfg_options)
    student, checkpoint = load_student(
        cfg, args.checkpoint, label, 'checkpoint'
    )
    teacher, source = load_teacher(cfg, args.config, checkpoint, args.teacher)
    boundaries = find_boundaries(cfg, student, teacher, args.modules)
    reader = Reader(cfg, args.config, student, args.image_size)
    classes = list_classes(cfg, checkpoint)
    networks, sources = [teacher, student], [source, args.checkpoint]
    for other in others:
        own = read_config(other.config) if other.config else cfg
        network, _ = load_student(
            own, other.checkpoint, other.label, '--compare'
        )
        networks.append(network)
        sources.append(other.checkpoint)
    check_networks(boundaries, [teacher, *networks[2:]])
    return Subjects(networks, sources, boundaries, classes, reader)


def read_config(path: str, options: Optional[Dict] = None) -> Config:
    """Read a config as the other tools do, and see that it has a model.

    Raises:
        SettingError: If there is no such config, or it has no model.
    """
    if Path(path).is_file() and Path(path).suffix != '.py':
        raise SettingError(
            f"'{path}' is no config, a file that ends in .py; write the "
            f'config first and then the checkpoint.'
        )
    arguments = dict(work_dir=None, launcher='none', local_rank=0)
    cfg = load_config(
        argparse.Namespace(config=path, cfg_options=options, **arguments)
    )
    if not cfg.get('model'):
        raise SettingError(
            f"The config '{path}' has no model; give one that tools/train.py "
            f'takes.'
        )
    return cfg
