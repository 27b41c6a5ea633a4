"""Turns a checkpoint that the literature publishes into one of ours.

For example RepDistiller's wide ResNet::

    python tools/model_converters/published_to_mmpretrain.py \
        wrn_40_2_vanilla/ckpt_epoch_240.pth checkpoints/wrn_40_2.pth

The network is found from the names and shapes of the weights. What is
written loads strictly into the ``ImageClassifier`` whose config is printed.
"""

import argparse
import io
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config

from mmrazor_lakd.backbones import NETWORKS, build_network
from mmrazor_lakd.checkpoints.checksum import checksum_path
from mmrazor_lakd.checkpoints.export import check_new
from mmrazor_lakd.checkpoints.published import Converted, convert_published
from mmrazor_lakd.checkpoints.weights import explain_unreadable
from mmrazor_lakd.checkpoints.whole_file import write_whole
from mmrazor_lakd.cli import add_debug_argument, run_tool
from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.safe_loading import load_weights


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog='Known are the networks of docs/en/networks.md, as '
        'RepDistiller, mdistiller and ReviewKD name their parameters, '
        "torchvision's ResNet18, 34 and 50, and pytorch_resnet_cifar10's "
        'ResNets.',
    )
    parser.add_argument('source', type=Path, help='the published checkpoint')
    parser.add_argument('out', type=Path, help='the checkpoint to write')
    add_debug_argument(parser)
    return parser.parse_args()


def read_weights_only(path: Path) -> object:
    """Read a file of PyTorch without running anything that is in it.

    Raises:
        SettingError: If the file doesn't exist, holds more than weights, or
            can't be read.
    """
    if not path.is_file():
        raise SettingError(
            f"There is no file '{path}'; give a checkpoint (*.pth, *.pt)."
        )
    try:
        return load_weights(path, 'cpu')
    except Exception as error:  # unpickling garbage can raise anything
        raise explain_unreadable(f"'{path}'", error) from error


def model_config(converted: Converted) -> Config:
    """Make the config of the classifier that loads what is written."""
    network = NETWORKS[converted.network]
    width = build_network(converted.network).backbone.feat_dim
    return Config(
        dict(
            model=dict(
                type='ImageClassifier',
                backbone=network.backbone,
                neck=dict(type='GlobalAveragePooling'),
                head=dict(
                    type='LinearClsHead',
                    num_classes=converted.num_classes,
                    in_channels=width,
                ),
            )
        )
    )


def main(args: argparse.Namespace) -> None:
    """Read, convert, write, and print what it was."""
    if args.out.is_dir():
        raise SettingError(
            f"'{args.out}' is a folder; give the name of the file to write."
        )
    if (
        args.source.exists()
        and args.out.exists()
        and args.out.samefile(args.source)
    ):
        raise SettingError(
            f"'{args.out}' is the published checkpoint itself; give the name "
            f'of another file to write.'
        )
    # A checksum that another checkpoint has left would refuse this one.
    check_new('out', args.out, checksum_path(args.out))
    converted = convert_published(
        read_weights_only(args.source), str(args.source)
    )
    config = model_config(converted)
    meta = dict(
        network=converted.network,
        source=args.source.name,
        model=config.model.to_dict(),
    )
    buffer = io.BytesIO()
    torch.save(dict(state_dict=converted.state_dict, meta=meta), buffer)
    write_whole(args.out, buffer.getvalue())
    print(
        f'{args.source} is a {converted.network} for {converted.num_classes} '
        f'classes.\nWrote {args.out}, which loads into\n'
        f'{config.pretty_text.strip()}'
    )


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
