"""What tools/visualize.py shows: networks, their modules, the data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..analysis.data import list_classes
from ..analysis.module_ends import (
    ModuleEnd,
    check_networks,
    choose_module_ends,
)
from ..checkpoints.networks import Network, load_networks
from ..config_check.first_iteration import explained
from .ndam_maps import Attention, read_attention
from .samples import Reader, Sample, pad_shown
from .sheet import Sheet


class Subjects(NamedTuple):
    """The networks, their modules and their data.

    Attributes:
        networks (list[Network]): The teacher, its student, other students.
        ends (list[ModuleEnd]): The modules to show.
        classes (list[str]): Names of the classes; empty if unknown.
        reader (Reader): Reader of the images.
    """

    networks: List[Network]
    ends: List[ModuleEnd]
    classes: List[str]
    reader: Reader

    def make_sheet(self, sample: Sample) -> Sheet:
        """Run all networks on an image."""
        attention: Dict[str, Attention] = {}
        for network in self.networks:
            role = 'student' if attention else 'teacher'
            batch = network.preprocessor(dict(inputs=sample.inputs[None]))
            attention[network.label] = read_attention(
                network.model,
                batch['inputs'],
                [getattr(end, role) for end in self.ends],
            )
        return Sheet(pad_shown(sample, batch['inputs'].shape[-2:]), attention)


@dataclass(frozen=True)
class GallerySettings:
    """Settings of tools/visualize.py; its help explains them.

    Attributes:
        config (str): See :func:`load_networks`.
        checkpoint (str): Likewise.
        label (str, optional): Likewise.
        teacher (str, optional): Likewise.
        compare (Sequence[str]): Likewise.
        cfg_options (dict, optional): Likewise.
        modules (Sequence[str], optional): See :func:`choose_module_ends`.
        images (Sequence[str]): Files and folders of images; empty for those
            of the test data.
        num (int, optional): Number of test images to draw.
        seed (int): Seed of the draw.
        indices (Sequence[int], optional): Indices of test images instead.
        overview (int): Number of images in the overview.
        image_size (int, optional): Size to which images are resized.
        out (Path, optional): Folder of all output.
    """

    config: str
    checkpoint: str
    label: Optional[str] = None
    teacher: Optional[str] = None
    compare: Sequence[str] = ()
    cfg_options: Optional[Dict[str, Any]] = None
    modules: Optional[Sequence[str]] = None
    images: Sequence[str] = ()
    num: Optional[int] = None
    seed: int = 0
    indices: Optional[Sequence[int]] = None
    overview: int = 8
    image_size: Optional[Any] = None
    out: Optional[Path] = None


def load_subjects(settings: GallerySettings) -> Subjects:
    """Load what the settings name.

    Args:
        settings (GallerySettings): Which networks, modules and data.

    Raises:
        SettingError: If a config, a checkpoint or a module is wrong.
    """
    cfg, networks, checkpoint = load_networks(
        settings.config, settings.checkpoint, settings.label,
        settings.teacher, settings.compare, settings.cfg_options,
    )  # fmt: skip

    teacher, student, *_ = networks
    with explained(cfg):
        reader = Reader(cfg, settings.config, student, settings.image_size)
    ends = choose_module_ends(
        cfg.model.get('distiller') or {},
        student.model,
        teacher.model,
        reader.input_size,
        settings.modules,
    )
    models = {network.label: network.model for network in networks}
    check_networks(models, ends, reader.input_size)
    return Subjects(networks, ends, list_classes(cfg, checkpoint), reader)
