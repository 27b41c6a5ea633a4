"""A teacher's features of training images, class by class."""

from typing import Dict, List, Optional

import torch
from mmengine.config import Config
from rich.progress import track

from ..checkpoints.networks import Network
from ..errors import SettingError
from ..tracing.features import read_maps
from .data import labels_of, make_probe_loader


def read_class_features(
    cfg: Config, teacher: Network, module: Optional[str], num_images: int
) -> torch.Tensor:
    """Collect a teacher's features, class by class.

    Args:
        cfg (Config): The config, whose training images are read.
        teacher (Network): The teacher.
        module (str, optional): Whose map's pixels; None for the logits.
        num_images (int): The number of images.

    Returns:
        torch.Tensor: As many rows for each class, (K, M, D).

    Raises:
        SettingError: If the teacher has no such module, or a class no image.
    """
    names = dict(teacher.model.named_modules())
    if module is not None and module not in names:
        raise SettingError(
            f"--module names '{module}', which the teacher doesn't have; "
            f'write one of {", ".join(n for n in names if n.count(".") == 1)}.'
        )
    # each pixel is a row
    wanted = {module: lambda x: x.flatten(2).mT} if module else {}
    found: Dict[int, List[torch.Tensor]] = {}
    loader = make_probe_loader(cfg, num_images)
    for batch in track(loader, 'reading', transient=True):
        images = teacher.preprocessor(batch, False)['inputs']
        logits, maps = read_maps(teacher.model, images, wanted)
        for label, rows in zip(
            labels_of(batch).tolist(), maps[module] if module else logits
        ):
            found.setdefault(label, []).append(rows.cpu().float())
    number = logits.shape[1]
    counts = [len(found.get(label, ())) for label in range(number)]
    if not all(counts):
        raise SettingError(
            f'Class {counts.index(0)} has none of the {sum(counts)} images; '
            f'raise --images.'
        )
    return torch.stack(
        [
            torch.stack(found[label][: min(counts)]).reshape(
                -1, rows.shape[-1]
            )
            for label in range(number)
        ]
    )
