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

import torch
from mmengine.registry import init_default_scope

from mmrazor_lakd.analysis.class_features import read_class_features
from mmrazor_lakd.checkpoints.export import check_new
from mmrazor_lakd.checkpoints.networks import (
    TEACHER,
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
from mmrazor_lakd.losses import cka_costs


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
        features = read_class_features(cfg, teacher, args.module, args.images)
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
