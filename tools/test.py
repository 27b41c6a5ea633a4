"""Test a checkpoint that tools/train.py wrote."""

import argparse
from functools import partial
from pathlib import Path

from mmrazor_lakd.cli import add_common_arguments, load_config, run_tool
from mmrazor_lakd.engine.run import test


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser)
    parser.add_argument('checkpoint', help='path of the checkpoint')
    parser.add_argument(
        '--out',
        help='file for the results: predictions as .pkl, metrics as .json',
    )
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        help='what goes to --out; predictions by default',
    )
    args = parser.parse_args()
    if args.out_item and not args.out:
        parser.error('--out-item needs a file: add --out FILE')
    known = ['.json', '.yml', '.yaml', '.pkl', '.pickle']
    endings = known if args.out_item == 'metrics' else known[3:]
    if args.out and Path(args.out).suffix not in endings:
        parser.error(
            f'--out {args.out} is for {args.out_item or "pred"} and has to '
            f'end in {", ".join(endings)}'
        )
    return args


def main(args: argparse.Namespace) -> None:
    cfg = load_config(
        args.config, args.cfg_options, args.work_dir, args.launcher
    )
    test(cfg, args.checkpoint, args.amp, args.out, args.out_item or 'pred')


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
