"""Arguments, configs and errors, shared by the command line tools."""

import argparse
import errno
import gc
import os
import os.path as osp
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.dist import get_rank
from mmengine.logging import MMLogger
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .config_check import (
    configs_near,
    explain,
    read_config_file,
    sentence_of,
)
from .config_check.first_iteration import FirstIteration
from .config_check.kinds import LOADERS, type_name
from .errors import SettingError, nearest, printable
from .launchers import (
    check_launcher,
    end_with_launcher,
    explain_loss,
    leave_process_group,
    set_local_rank,
    start_cpu_processes,
)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every tool takes, named as in mmpretrain."""
    parser.add_argument('config', help='path of the config')
    parser.add_argument('--work-dir', help='where logs and results go')
    parser.add_argument(
        '--amp',
        action='store_true',
        help='automatic mixed precision (bfloat16 on a CPU)',
    )
    add_cfg_options(
        parser,
        'settings that override the config, as key=value; a nested key is '
        'written a.b.c, a list "[1,2]" without spaces',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes were started',
    )
    add_debug_argument(parser)
    # torchrun sets LOCAL_RANK; older launchers pass it as an argument.
    parser.add_argument(
        '--local_rank', '--local-rank', action=_LocalRank, metavar='RANK'
    )


class _LocalRank(argparse.Action):
    """Passes this process's local rank on to MMEngine."""

    def __call__(self, parser, namespace, values, option_string=None):
        os.environ.setdefault('LOCAL_RANK', values)


def add_cfg_options(parser: argparse.ArgumentParser, explanation: str) -> None:
    """Add the option that overrides settings of a config."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help=explanation,
    )


def add_debug_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option to show the traceback of an error."""
    parser.add_argument(
        '--debug',
        action='store_true',
        help='show the traceback of an error, too',
    )


def natural(text: str) -> int:
    """Parse an integer of at least 0."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    number = natural(text)
    if number < 1:
        raise ValueError
    return number


def make_progress(
    console: Console, done: str = '{task.percentage:3.0f} %'
) -> Progress:
    """Create progress bars with descriptions and the time left."""
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        TextColumn(done),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
        console=console,
    )


class ConfigOptions(DictAction):
    """MMEngine's action for ``--cfg-options``, with an error for bad syntax.

    ``DictAction`` itself fails with a traceback.
    """

    def __call__(self, parser, namespace, values, option_string=None):
        """Parse each ``KEY=VALUE`` separately."""
        for value in values:
            try:
                super().__call__(parser, namespace, [value], option_string)
            except (AssertionError, ValueError):
                parser.error(
                    f'{option_string} takes KEY=VALUE, and brackets in pairs, '
                    f"not '{value}'"
                )


def check_folder(option: str, path: Path) -> None:
    """Raise if a folder can't be written to or created.

    Raises:
        SettingError: If it is a file or inside one, or is read-only.
    """
    for folder in (path, *path.absolute().parents):
        if not os.path.lexists(folder):
            continue
        if not folder.is_dir():
            within = '' if folder == path else f" lies in '{folder}', which"
            raise SettingError(
                f"{option}='{path}'{within} is a file; name a folder."
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingError(
                f"{option}='{path}' can't be written, since '{folder}' is "
                f'read-only; name another folder.'
            )
        return


def load_config(
    path: str,
    options: Optional[Dict[str, Any]] = None,
    work_dir: Optional[str] = None,
    launcher: str = 'none',
) -> Config:
    """Read a config and add what all tools have in common.

    Args:
        path (str): Path of the config.
        options (dict, optional): Settings that override it, by dotted names.
        work_dir (str, optional): Folder of logs and results. Defaults to the
            config's, or to a folder in ``work_dirs`` named after the config.
        launcher (str): How the processes were started.

    Raises:
        SettingError: If there is no such config, or it can't be read.
    """
    check_launcher(launcher)
    if launcher != 'none':
        end_with_launcher()
    set_local_rank(launcher)
    check_config_path(path)
    cfg = read_config_file(path, options)
    cfg.launcher = launcher
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(path))[0]
        cfg.work_dir = osp.join('work_dirs', name)
    for name in LOADERS:
        if isinstance(cfg.get(name), dict):
            _set_dataloader_defaults(cfg[name], cfg.get('default_scope'))
    if launcher != 'none' and get_device() == 'cpu':
        start_cpu_processes(cfg)
    return cfg


def check_config_path(path: str) -> None:
    """Raise if there is no such file, naming the nearest configs."""
    if osp.isdir(path):
        raise SettingError(
            f"The config '{path}' is a folder; name a file in it."
        )
    if not osp.isfile(path):
        raise SettingError(
            f"There is no config '{path}'; the nearest ones are: "
            f'{nearest(path, configs_near(path))}.'
        )


def _set_dataloader_defaults(loader, scope: Optional[str]) -> None:
    """Set the defaults of a data loader."""
    if scope == 'mmpretrain':  # as its own tool; others' images differ in size
        loader.setdefault('collate_fn', dict(type='default_collate'))
    # Pinning without an accelerator has no effect, and warns at every start.
    loader.setdefault('pin_memory', get_device() == 'cuda')
    # PyTorch raises if persistent workers are set without workers.
    workers = loader.get('num_workers', 0) not in (0, None)
    loader['persistent_workers'] = workers and loader.get(
        'persistent_workers', True
    )


def hide_upstream_notices() -> None:
    """Hide MMEngine's warnings about itself at every start.

    Its own hook uses the FileClient that it deprecates, which users can't
    change.
    """
    logger = MMLogger.get_current_instance()
    logger.addFilter(
        lambda record: (
            not str(record.msg).startswith(
                ('"FileClient" will be', '"HardDiskBackend" is the alias')
            )
        )
    )


def set_mixed_precision(cfg: Config) -> None:
    """Turn on mixed precision, whether or not the wrapper has a type.

    On a GPU this is MMEngine's float16 with loss scaling. MMEngine's wrapper
    doesn't support CPUs, so there it is bfloat16.

    Raises:
        SettingError: If the wrapper is of a type that can't be replaced.
    """
    if not isinstance(cfg.get('optim_wrapper'), dict):
        return  # check_config will raise
    # a class in a config of MMEngine's newer style
    kind = type_name(cfg.optim_wrapper.get('type', 'OptimWrapper'))
    if kind in ('AmpOptimWrapper', 'Bfloat16OptimWrapper'):
        return
    if kind != 'OptimWrapper':
        raise SettingError(
            f'--amp replaces an OptimWrapper, but optim_wrapper.type is '
            f"'{kind}'; set mixed precision in the config instead."
        )
    if get_device() == 'cpu':
        cfg.optim_wrapper.type = 'Bfloat16OptimWrapper'
    else:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def run_tool(main: Callable[[], None], debug: bool = False) -> None:
    """Run a tool; explain errors in one sentence, with exit status 2.

    After a training's first iteration, errors that are due to neither a
    setting nor a disk show their traceback.

    Args:
        main (Callable): The tool.
        debug (bool): Whether to show every traceback.
    """
    gc.freeze()  # what is imported stays, so that no collection need visit it
    try:
        main()
    except Exception as error:
        lost = explain_loss(error)
        if FirstIteration.done and not lost and not _is_foreign(error):
            raise
        if debug:
            traceback.print_exc()
        _tell(
            sentence_of(error)
            if isinstance(error, SettingError)
            else lost or explain(error)
        )
        sys.exit(2)
    except KeyboardInterrupt:
        if debug:
            traceback.print_exc()
        sys.exit(130)  # as in a shell
    finally:
        leave_process_group()


def _is_foreign(error: Exception) -> bool:
    """Check whether an error is due to a setting or a disk, not the code."""
    disk = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
    return isinstance(error, SettingError) or (
        isinstance(error, OSError) and error.errno in disk
    )


def _tell(sentence: str) -> None:
    """Print the sentence of an error, once for all processes.

    The other processes wait first: if rank 0 fails as well, the launcher
    ends them before they repeat the sentence.
    """
    if get_rank():
        time.sleep(3)
    print(f'error: {printable(sentence)}', file=sys.stderr)
