"""Runs the command line tools, each in a process of its own, without delay.

To import PyTorch and OpenMMLab's packages takes seconds, so that hundreds of
calls would take an hour. One process imports them once and forks for each
call; what happens in it afterwards is what happens in any other process. The
imports themselves, and what they print, take a process that starts anew.
"""

import atexit
import functools
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, Optional, Union

ROOT = Path(__file__).parents[1]
#: what the tools import sooner or later
IMPORTS = (
    'mmrazor_lakd',  # before anything of MMPretrain's
    'matplotlib.pyplot',
    'mmpretrain.datasets',
    'mmpretrain.engine',
    'mmpretrain.evaluation',
    'mmpretrain.models',
    'mmpretrain.visualization',
    'pandas',
    'setuptools',
    'sklearn.datasets',
    'mmrazor_lakd.benchmark.suite.report',
    'mmrazor_lakd.analysis.report',
    'mmrazor_lakd.visualization.gallery',
)


def call_tool(
    tool: Union[str, Path],
    *args,
    cwd: Path = ROOT,
    env: Optional[Dict[str, str]] = None,
    timeout: float = 300,
) -> subprocess.CompletedProcess:
    """Run a tool in a fork of the process that has imported everything.

    Args:
        tool (str | Path): Its file, such as ``tools/train.py``.
        args: Its arguments.
        cwd (Path): Where it runs. Defaults to the project's folder.
        env (dict, optional): Variables to set in its environment, which is
            this process's, with one thread and without a terminal's width.
        timeout (float): Seconds after which it is killed.

    Returns:
        CompletedProcess: As of :func:`subprocess.run`.
    """
    command = [str(tool), *map(str, args)]
    call = dict(command=command, cwd=str(cwd), env=env or {}, timeout=timeout)
    server = start_server()
    server.stdin.write(json.dumps(call) + '\n')
    server.stdin.flush()
    answer = json.loads(server.stdout.readline())
    return subprocess.CompletedProcess(command, *answer)


@functools.lru_cache(None)
def start_server() -> subprocess.Popen:
    """Start the server, which ends when this process does."""
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    env.pop('COLUMNS', None)
    server = subprocess.Popen(
        [sys.executable, __file__],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    return server


def import_everything() -> None:
    """Import what the tools need, as they do before a training starts."""
    for name in IMPORTS:
        importlib.import_module(name)
    Config = importlib.import_module('mmengine.config').Config
    Config(dict(a=1)).dump()  # the formatter reads its grammar once


def be_the_tool(call: Dict, out: int, err: int) -> None:
    """Run the tool in a forked process, to its end."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdin = open(0, closefd=False)
    os.chdir(call['cwd'])
    os.environ.update(call['env'])
    sys.argv = call['command']
    path = Path(sys.argv[0]).absolute()
    sys.path[0] = str(path.parent)
    runpy.run_path(str(path), run_name='__main__')


def wait_for(child: int, seconds: float) -> int:
    """Wait for a forked process, and kill its session if it takes longer."""
    watch = os.pidfd_open(child)
    if not select.select([watch], [], [], seconds)[0]:
        os.killpg(child, signal.SIGKILL)
    os.close(watch)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def serve() -> None:
    """Answer calls from the standard input until it ends."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    import_everything()
    for line in sys.stdin:
        call = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if not child:
                return be_the_tool(call, out.fileno(), err.fileno())
            status = wait_for(child, call['timeout'])
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        print(json.dumps([status, *texts]), file=answers, flush=True)


if __name__ == '__main__':
    serve()
