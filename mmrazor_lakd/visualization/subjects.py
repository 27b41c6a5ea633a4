"""What tools/visualize.py looks at: networks, their modules, the data."""

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

    def make_sheet(self, sample: Sample) -> Sheet:
        """Show an image to all networks."""
        attention: Dict[str, Attention] = {}
        for network in self.networks:
            role = 'student' if attention else 'teacher'
            batch = network.preprocessor(dict(inputs=sample.inputs[None]))
            attention[network.label] = read_attention(
                network.model,
                batch['inputs'],
                [getattr(end, role) for end in self.ends],
            )
        return Sheet(sample, attention)


@dataclass(frozen=True)
class GallerySettings:
    """What tools/visualize.py is told; its help explains it.

    Attributes:
        config (str): As :func:`load_networks` takes it, and so
        checkpoint (str):
        label (str, optional):
        teacher (str, optional):
        compare (Sequence[str]): and
        cfg_options (dict, optional): are.
        modules (Sequence[str], optional): See :func:`choose_module_ends`.
        images (Sequence[str]): Files and folders of images; none for those
            of the test data:
        num (int, optional): so many of them, drawn by
        seed (int): this; or
        indices (Sequence[int], optional): these.
        overview (int): How many images the overview has.
        image_size (int, optional): What images are resized to.
        out (Path, optional): Where all goes.
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
