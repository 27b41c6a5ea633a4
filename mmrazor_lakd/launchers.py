"""Processes of one training: how they start, end, and notice lost ones."""

import gc
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import Dict, Iterator

import torch
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size

from .errors import SettingError

#: environment variables that a launcher sets for its processes
LAUNCHERS = dict(
    pytorch=('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'),
    slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_NODELIST'),
    mpi=(
        'OMPI_COMM_WORLD_LOCAL_RANK',
        'OMPI_COMM_WORLD_RANK',
        'OMPI_COMM_WORLD_SIZE',
        'MASTER_ADDR',
    ),
)
# A process that says nothing for so long is lost: a collective would wait for
# it for half an hour (gloo) or ten minutes (NCCL).
BEAT_SECONDS = 5
LOST_BEATS = 7
# A count that no beats reach: of a process that has left as it should.
LEFT = 1 << 40
# What gloo and NCCL say when another process is gone.
LOST = re.compile(
    r'closed by peer|reset by peer|Broken pipe|remote process exited'
    r'|Timed out waiting|No route to host|Network is unreachable',
    re.IGNORECASE,
)


def check_launcher(launcher: str) -> None:
    """Raise if the launcher has not started this process.

    Raises:
        SettingError: If it hasn't, naming the variables it would have set.
    """
    missing = [n for n in LAUNCHERS.get(launcher, ()) if n not in os.environ]
    if missing:
        raise SettingError(
            f'--launcher={launcher} is for processes that it has started, '
            f'but this one has no {", ".join(missing)} in its environment; '
            f'start it with tools/dist_train.sh CONFIG GPUS (or '
            f'tools/dist_test.sh), or leave the option out.'
        )


def set_local_rank(launcher: str) -> None:
    """Set which of a machine's processes this is, where it isn't yet.

    OpenMPI has a variable of its own for it, which neither PyTorch nor
    MMEngine's choice of a GPU for DistributedDataParallel reads.
    """
    mpi = os.environ.get('OMPI_COMM_WORLD_LOCAL_RANK', '0')
    rank = mpi if launcher == 'mpi' else '0'
    os.environ.setdefault('LOCAL_RANK', rank)


def start_cpu_processes(cfg: Config) -> None:
    """Let several processes train on CPUs, which MMEngine doesn't support.

    It selects a CUDA device before it starts the process group, and passes
    a GPU's index to DistributedDataParallel.
    """
    if cfg.launcher == 'slurm':
        _set_ranks_of_slurm()
    elif cfg.launcher == 'mpi':
        os.environ['RANK'] = os.environ['OMPI_COMM_WORLD_RANK']
        os.environ['WORLD_SIZE'] = os.environ['OMPI_COMM_WORLD_SIZE']
        os.environ.setdefault('MASTER_PORT', '29500')
    torch.distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = {
        **dict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        ),
        **cfg.get('model_wrapper_cfg', {}),
        'device_ids': None,
    }


def _set_ranks_of_slurm() -> None:
    """Set PyTorch's variables from SLURM's, as MMEngine does for GPUs."""
    nodes = ('scontrol', 'show', 'hostname', os.environ['SLURM_NODELIST'])
    first = subprocess.run(nodes, capture_output=True, text=True, check=True)
    os.environ.setdefault('MASTER_ADDR', first.stdout.split()[0])
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ['RANK'] = os.environ['SLURM_PROCID']
    os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']
    os.environ['LOCAL_RANK'] = os.environ.get('SLURM_LOCALID', '0')


def end_with_launcher() -> None:
    """End this process when the one that started it is killed.

    Otherwise it would keep its GPU, and wait for processes that the launcher
    of another machine has ended.
    """
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        _end_at_once('the launcher that started this process is gone')

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def watched_peers() -> Iterator[None]:
    """End this process if another one of its training is lost in the block.

    A machine that loses its power or its network closes no connection, so that
    the others would wait. Each process counts beats in the store of the
    process group, and rank 0 reads the counts. The others notice that the
    store, which is on rank 0's machine, answers no more.
    """
    if get_world_size() == 1:
        yield
        return
    watch = _PeerWatch()
    try:
        yield
    finally:
        watch.leave()


class _PeerWatch:
    """Two threads: one that talks to the store, one that watches the first.

    The first may hang in a call, for a dropped packet is no error.
    """

    def __init__(self) -> None:
        self.rank = get_rank()
        self.answered = 0
        self.left = threading.Event()
        self.threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._beat, self._watch)
        ]
        for thread in self.threads:
            thread.start()

    def leave(self) -> None:
        """Stop watching, and tell rank 0 so."""
        self.left.set()
        self.threads[0].join(timeout=BEAT_SECONDS)

    def _beat(self) -> None:
        seen: Dict[int, int] = {}
        missed: Dict[int, int] = {}
        others = range(1, get_world_size()) if self.rank == 0 else ()
        try:
            # A connection of its own: others wait in the first one.
            store = torch.distributed.PrefixStore(
                'mmrazor_lakd',
                torch.distributed.TCPStore(
                    os.environ['MASTER_ADDR'],
                    int(os.environ['MASTER_PORT']),
                    is_master=False,
                    timeout=timedelta(seconds=BEAT_SECONDS * LOST_BEATS),
                    wait_for_workers=False,
                ),
            )
            store.set(f'host {self.rank}', socket.gethostname())
            while not self.left.is_set():
                store.add(str(self.rank), 1)
                for rank in others:
                    count = store.add(str(rank), 0)
                    # not before its first: it may still read its data
                    still = 0 < count < LEFT and count == seen.get(rank)
                    missed[rank] = missed.get(rank, 0) + 1 if still else 0
                    seen[rank] = count
                    if missed[rank] >= LOST_BEATS:
                        host = store.get(f'host {rank}').decode()
                        _lose(f'process {rank}, on {host},')
                self.answered += 1
                self.left.wait(BEAT_SECONDS)
            store.add(str(self.rank), LEFT)
        except (KeyError, RuntimeError, ValueError):
            # The store has ended: this process is given the time to end, too.
            pass

    def _watch(self) -> None:
        last, missed = 0, 0
        while not self.left.wait(BEAT_SECONDS):
            # not before the first answer: there may be no such store
            missed = missed + 1 if 0 < self.answered == last else 0
            last = self.answered
            if missed >= LOST_BEATS:
                _lose(
                    f'the machine of process 0, {os.environ["MASTER_ADDR"]},'
                )


def _lose(who: str) -> None:
    """End this process, since another one is lost."""
    seconds = BEAT_SECONDS * LOST_BEATS
    _end_at_once(f'{who} has not answered for {seconds} s')


def _end_at_once(reason: str) -> None:
    """End this process, which may hang in a collective, with a sentence."""
    print(
        f'error: {reason}, so that this training ends; start the same command '
        f'again, on all of its machines, with --resume.',
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)


def explain_loss(error: Exception) -> str:
    """Explain an error of a collective whose other side is gone.

    Returns:
        str: A sentence; empty for other errors.
    """
    if not isinstance(error, RuntimeError) or get_world_size() == 1:
        return ''
    lines = [line for line in str(error).splitlines() if LOST.search(line)]
    if not lines:
        return ''
    said = re.sub(r'^\[.*?\]\s*', '', lines[0]).rstrip('.')
    return (
        f'another process of this training has ended or lost its connection '
        f'({said}); see what it printed, and start the same command again, on '
        f'all machines, with --resume.'
    )


def leave_process_group() -> None:
    """Destroy the process group, if there is one.

    Gloo's threads hold the tensors of their last collective for a moment
    after it, and need Python's lock to release them. A process that destroys
    the group before that may hang, and one whose interpreter exits before
    that may abort.
    """
    if not torch.distributed.is_initialized():
        return
    gc.collect()  # the Runner's cycles keep the wrapped model and its group
    time.sleep(0.2)  # leaves Python's lock to the threads
    torch.distributed.destroy_process_group()
