"""The origin of a result: machine, versions, commit and command."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Dict, List, Optional

import torch
from mmengine.device import get_device

PACKAGES = (
    'torch',
    'mmengine',
    'mmpretrain',
    'mmrazor',
    'mmrazor-lakd',
)
# What a result depends on, without the reports.
ROOT = Path(__file__).resolve().parents[1]
CODE = ('mmrazor_lakd', 'configs', 'tools')


def describe_machine() -> Dict[str, Any]:
    """Describe the machine: versions, processor, threads, device."""
    versions = {'python': platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # used without installation
            versions[name] = None
    gpu = get_device() == 'cuda'
    return dict(
        versions=versions,
        # Processors of one name differ by what of them a virtual machine
        # shows; without AVX-512 a step in bfloat16 takes twice as long.
        cpu=f'{_cpu_model()} ({torch.backends.cpu.get_cpu_capability()})',
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if gpu else 'cpu',
    )


def _cpu_model() -> str:
    """Return the processor's name, as far as the system reports it."""
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def describe_commit(folder: Path = ROOT) -> Dict[str, Any]:
    """Describe a folder's commit, and whether the code differs from it.

    Args:
        folder (Path): Folder of the project. Defaults to this one's.

    Returns:
        dict: ``commit`` and ``dirty``; both None without git.
    """

    def git(*arguments: str) -> Optional[str]:
        try:
            done = subprocess.run(
                ['git', '-C', str(folder), *arguments],
                capture_output=True,
                text=True,
            )
        except OSError:  # no git
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    status = git('status', '--porcelain', '--', *CODE)
    return dict(
        commit=git('rev-parse', 'HEAD'),
        dirty=None if status is None else bool(status),
    )


def describe_origin(report: Dict[str, Any]) -> List[str]:
    """Describe how, and on which machine, a report was made.

    Args:
        report (dict): With ``machine`` from :func:`describe_machine` or
            None, ``commit`` and ``dirty`` from :func:`describe_commit`, and
            ``command``.
    """
    lines = []
    machine = report['machine']
    if machine is not None:
        device = '' if machine['device'] == 'cpu' else f', {machine["device"]}'
        versions = ', '.join(
            f'{name} {number}'
            for name, number in machine['versions'].items()
            if number
        )
        lines.append(
            f'{machine["cpu"]}, {machine["threads"]} thread(s) of '
            f'PyTorch{device}; {versions}'
        )
    if report['commit'] is not None:
        dirty = ', with changes' if report['dirty'] else ''
        lines.append(f'commit {report["commit"]}{dirty}')
    lines.append(f'`{report["command"]}`')
    return lines
