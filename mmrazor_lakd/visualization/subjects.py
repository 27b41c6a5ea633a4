"""What tools/visualize.py looks at: networks, their modules, the data."""

import argparse
from typing import List, NamedTuple

from ..analysis.data import list_classes
from ..analysis.module_ends import (
    ModuleEnd,
    check_networks,
    choose_module_ends,
)
from ..checkpoints.networks import Network, load_networks
from ..config_check.first_iteration import explained
from .ndam_maps import look
from .samples import Reader, Sample
from .sheet import Sheet


class Subjects(NamedTuple):
    """The networks, and what belongs to them.

    Attributes:
        networks (list[Network]): The teacher, its student, other students.
        ends (list[ModuleEnd]): The modules to look at.
        classes (list[str]): Names of the classes; empty where not known.
        reader (Reader): Of the images.
    """

    networks: List[Network]
    ends: List[ModuleEnd]
    classes: List[str]
    reader: Reader

    def look(self, sample: Sample) -> Sheet:
        """Show an image to all networks."""
        looks = {}
        for network in self.networks:
            role = 'student' if looks else 'teacher'
            batch = network.preprocessor(dict(inputs=sample.inputs[None]))
            looks[network.label] = look(
                network.model,
                batch['inputs'],
                [getattr(end, role) for end in self.ends],
            )
        return Sheet(sample, looks)


def load_subjects(args: argparse.Namespace) -> Subjects:
    """Load what the command line names.

    Args:
        args (argparse.Namespace): As tools/visualize.py parses them.

    Raises:
        SettingError: If a config, a checkpoint or a module is wrong.
    """
    cfg, networks, checkpoint = load_networks(args)
    teacher, student, *_ = networks
    with explained(cfg):
        reader = Reader(cfg, args.config, student, args.image_size)
    ends = choose_module_ends(
        cfg.model.get('distiller') or {},
        student.model,
        teacher.model,
        reader.input_size,
        args.modules,
    )
    models = {network.label: network.model for network in networks}
    check_networks(models, ends, reader.input_size)
    return Subjects(networks, ends, list_classes(cfg, checkpoint), reader)
