"""Train a model: a teacher, or a student with whatever distils it."""

import argparse
from functools import partial

from mmrazor_lakd.cli import add_common_arguments, load_config, run_tool
from mmrazor_lakd.engine.run import train


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from a checkpoint; without a path, from the latest one '
        'in the work directory',
    )
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='do not evaluate during the training',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the batch of all processes',
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    cfg = load_config(
        args.config, args.cfg_options, args.work_dir, args.launcher
    )
    train(cfg, args.resume, args.amp, not args.no_validate, args.auto_scale_lr)


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
