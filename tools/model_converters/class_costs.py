"""Writes how far classes are apart for a teacher, as WKD-L takes it.

For example, the pixels of the last maps, which its authors take on CIFAR::

    python tools/model_converters/class_costs.py \
        configs/wkd_l/wkd_l_resnet20_resnet8_1xb128_cifar10.py \
        --module backbone.layer3 --out costs.pth

writes the linear CKA of each pair of classes, taken from one. Name the file
in the loss: ``cost_matrix='costs.pth'``.
"""

import argparse
import io
from functools import partial
from pathlib import Path
from typing import Dict, List, Optional

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.progress import track

from mmrazor_lakd.analysis.data import labels_of, make_probe_loader
from mmrazor_lakd.checkpoints.export import check_new
from mmrazor_lakd.checkpoints.networks import (
    TEACHER,
    Network,
    load_teacher,
    parse_choice,
    read_config,
)
from mmrazor_lakd.checkpoints.whole_file import write_whole
from mmrazor_lakd.cli import (
    add_cfg_options,
    add_debug_argument,
    positive,
    run_tool,
)
from mmrazor_lakd.config_check.first_iteration import explained
from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.losses import cka_costs
from mmrazor_lakd.tracing.features import read_maps


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config of a distillation')
    parser.add_argument(
        '--teacher',
        metavar='CHECKPOINT',
        help="the teacher's weights (default: the config's teacher_ckpt)",
    )
    parser.add_argument(
        '--module',
        metavar='NAME',
        help="a module of the teacher's, whose map's pixels are compared "
        '(default: its logits)',
    )
    parser.add_argument(
        '--images',
        type=positive,
        default=5000,
        help='training images, evenly spaced, without augmentation '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='FILE.pth',
        help='the file to write',
    )
    add_cfg_options(parser, 'settings that override those of the config')
    add_debug_argument(parser)
    return parser.parse_args()


def read_features(
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


def main(args: argparse.Namespace) -> None:
    """Compute the distances, and write them."""
    check_new('--out', args.out)
    cfg = read_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope') or 'mmpretrain')
    choice = None
    if args.teacher:
        choice = parse_choice(args.teacher, '--teacher', TEACHER)
    teacher = load_teacher(cfg, args.config, {'state_dict': {}}, choice)
    with explained(cfg):
        features = read_features(cfg, teacher, args.module, args.images)
    costs = cka_costs(features.double()).float()
    written = io.BytesIO()
    torch.save(costs, written)
    write_whole(args.out, written.getvalue())
    others = costs[~torch.eye(len(costs), dtype=torch.bool)]
    print(
        f'Wrote {args.out}: {len(costs)} classes, {features.shape[1]} rows '
        f'each, distances from {others.min():.2f} to {others.max():.2f}.'
    )


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
