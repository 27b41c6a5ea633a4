"""Train or test what a config describes."""

from contextlib import ExitStack
from pathlib import Path
from typing import Dict, Optional

import mmengine
from mmengine.config import Config
from mmengine.evaluator import DumpResults
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..checkpoints.loading import check_checkpoint
from ..cli import check_folder, hide_upstream_notices, set_mixed_precision
from ..config_check import check_config
from ..config_check.first_iteration import check_batches, explained
from ..errors import SettingError
from ..launchers import watched_peers
from .folder_lock import is_first_process, lock_work_dir
from .hooks.safe_checkpoint_hook import use_safe_hooks
from .resume import find_start

TRAINED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
TESTED = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


def train(
    cfg: Config,
    resume: Optional[str] = None,
    amp: bool = False,
    validate: bool = True,
    auto_scale_lr: bool = False,
) -> None:
    """Train what a config describes.

    Args:
        cfg (Config): As :func:`~mmrazor_lakd.cli.load_config` reads it.
        resume (str, optional): A checkpoint to resume from; 'auto' for the
            latest one in the work directory.
        amp (bool): Whether to use mixed precision.
        validate (bool): Whether to evaluate during the training.
        auto_scale_lr (bool): Whether to scale the learning rate with the batch
            size of all processes.

    Raises:
        SettingError: If a setting is wrong, before the first iteration.
    """
    if not validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if amp:
        set_mixed_precision(cfg)
    if resume == 'auto' and cfg.get('load_from') and cfg.get('work_dir'):
        saving = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
        if find_start(cfg.work_dir, saving.get('out_dir')) is None:
            print_log(
                f"There is no checkpoint in '{cfg.work_dir}' to resume from: "
                f"the training starts from load_from='{cfg.load_from}'.",
                logger='current',
            )
            resume = None
    if resume is not None:
        cfg.resume = True
        cfg.load_from = None if resume == 'auto' else resume
    if auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise SettingError(
                f'--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=N) '
                f'in {cfg.filename}, the batch for which its learning rate '
                f'was chosen.'
            )
        cfg.auto_scale_lr.enable = True
    check_config(cfg, TRAINED)
    check_runner(cfg)
    use_safe_hooks(cfg)
    with explained(cfg) as first_iteration, ExitStack() as locks:
        check_folder('--work-dir', Path(cfg.work_dir))
        if is_first_process(cfg.get('launcher', 'none')):
            # before the Runner writes its config there
            locks.enter_context(lock_work_dir(cfg.work_dir))
        runner = Runner.from_cfg(cfg)
        runner.register_hook(first_iteration)
        hide_upstream_notices()
        check_batches('train_dataloader', runner.train_dataloader)
        with watched_peers():
            runner.train()


def check_runner(cfg: Config) -> None:
    """Raise if a config asks for another runner, which has no effect here."""
    for name, own in (('runner_type', 'Runner'), ('strategy', None)):
        if cfg.get(name) not in (None, own):
            raise SettingError(
                f"{name} has no effect: trainings run in MMEngine's Runner, "
                f'whose hooks save, stop and resume them; leave it out.'
            )


def test(
    cfg: Config,
    checkpoint: str,
    amp: bool = False,
    out: Optional[str] = None,
    item: str = 'pred',
) -> Dict[str, float]:
    """Test a checkpoint on a config's test data.

    Args:
        cfg (Config): As :func:`~mmrazor_lakd.cli.load_config` reads it.
        checkpoint (str): Checkpoint of a distilled or a plain student.
        amp (bool): Whether to use mixed precision.
        out (str, optional): File for the results.
        item (str): What to write there: ``'pred'`` or ``'metrics'``.

    Returns:
        dict: The metrics.

    Raises:
        SettingError: If a setting or the checkpoint is wrong.
    """
    cfg.load_from, cfg.resume = checkpoint, False
    if amp and isinstance(cfg.get('test_cfg'), dict):
        cfg.test_cfg.fp16 = True
    check_config(cfg, TESTED)
    use_safe_hooks(cfg)
    if out:
        check_folder('the folder of --out', Path(out).parent)
    with explained(cfg) as first_iteration:
        check_folder('--work-dir', Path(cfg.work_dir))
        runner = Runner.from_cfg(cfg)
        runner.register_hook(first_iteration)
        hide_upstream_notices()
        check_checkpoint(runner.model, checkpoint, 'checkpoint')
        if out and item == 'pred':
            runner.test_evaluator.metrics.append(
                DumpResults(out_file_path=out)
            )
        with watched_peers():
            metrics = runner.test()
    if out and item == 'metrics':
        mmengine.dump(metrics, out)
    return metrics
