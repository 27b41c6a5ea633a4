"""Train a model: a teacher, or a student with whatever distils it."""

import argparse
from functools import partial
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from mmrazor_lakd.cli import (
    add_common_arguments,
    check_folder,
    hide_upstream_notices,
    load_config,
    run_tool,
    set_mixed_precision,
)
from mmrazor_lakd.config_check import check_config
from mmrazor_lakd.config_check.first_iteration import check_batches, explained
from mmrazor_lakd.engine import use_safe_hooks
from mmrazor_lakd.errors import SettingError

NEEDED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


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


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Bring the training's own options into the config."""
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        set_mixed_precision(cfg)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise SettingError(
                f'--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=N) '
                f'in {args.config}, the batch for which its learning rate was '
                f'chosen.'
            )
        cfg.auto_scale_lr.enable = True


def main(args: argparse.Namespace) -> None:
    cfg = load_config(args)
    merge_args(cfg, args)
    check_config(cfg, NEEDED)
    use_safe_hooks(cfg)
    with explained(cfg) as first_iteration:
        check_folder('--work-dir', Path(cfg.work_dir))
        runner = Runner.from_cfg(cfg)
        runner.register_hook(first_iteration)
        hide_upstream_notices()
        check_batches('train_dataloader', runner.train_dataloader)
        runner.train()


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
