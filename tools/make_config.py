"""Writes the config of a method for a pair of networks.

For example, at its usual path in this project::

    python tools/make_config.py --method reviewkd \
        --pair vgg13_vgg8_1xb64_cifar100
"""

import argparse
from functools import partial
from pathlib import Path

from mmrazor_lakd.cli import add_debug_argument, run_tool
from mmrazor_lakd.config_writer import (
    choose,
    config_path,
    configs_folder,
    write_config,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--method',
        required=True,
        help="name of a file in configs/_base_/distillers, or 'alone' for the "
        'student without a teacher',
    )
    parser.add_argument(
        '--pair', required=True, help='name of a file in configs/_base_/pairs'
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='the file to write (default: configs/METHOD/METHOD_PAIR.py)',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a config that is there',
    )
    add_debug_argument(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the config and print how to train with it."""
    configs = configs_folder()
    choice = choose(configs, args.method, args.pair)
    out = args.out or config_path(configs, args.method, args.pair)
    write_config(choice, out, args.overwrite)
    print(f'python tools/train.py {out}')


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
