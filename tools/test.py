"""Test a checkpoint that tools/train.py wrote."""

import argparse
from functools import partial
from pathlib import Path

import mmengine
from mmengine.config import Config
from mmengine.evaluator import DumpResults
from mmengine.runner import Runner

from mmrazor_lakd.algorithms import check_checkpoint
from mmrazor_lakd.cli import (
    add_common_arguments,
    check_folder,
    hide_upstream_notices,
    load_config,
    run_tool,
)
from mmrazor_lakd.config_check import check_config
from mmrazor_lakd.config_check.first_iteration import explained
from mmrazor_lakd.engine import use_safe_hooks

NEEDED = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


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


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Bring the test's own options into the config."""
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.amp and isinstance(cfg.get('test_cfg'), dict):
        cfg.test_cfg.fp16 = True


def main(args: argparse.Namespace) -> None:
    cfg = load_config(args)
    merge_args(cfg, args)
    check_config(cfg, NEEDED)
    use_safe_hooks(cfg)
    if args.out:
        check_folder('the folder of --out', Path(args.out).parent)
    with explained(cfg) as first_iteration:
        check_folder('--work-dir', Path(cfg.work_dir))
        runner = Runner.from_cfg(cfg)
        runner.register_hook(first_iteration)
        hide_upstream_notices()
        check_checkpoint(runner.model, args.checkpoint, 'checkpoint')
        if args.out and args.out_item != 'metrics':
            runner.test_evaluator.metrics.append(
                DumpResults(out_file_path=args.out)
            )
        metrics = runner.test()
    if args.out and args.out_item == 'metrics':
        mmengine.dump(metrics, args.out)


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
