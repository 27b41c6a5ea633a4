"""Runs the command line tools, each in a process of its own, without delay.

To import PyTorch and OpenMMLab's packages takes seconds, so that hundreds of
calls would take an hour. One process imports them once and forks for each
call; what happens in it afterwards is what happens in any other process.
"""

import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Sequence

ROOT = Path(__file__).parents[2]
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


class Ended(NamedTuple):
    """How a call ended.

    Attributes:
        status (int): Its exit status; negative for a signal.
        out (str): What it printed.
        err (str): What it printed as errors.
    """

    status: int
    out: str
    err: str


class ForkServer:
    """Starts the process that imports everything; see the module."""

    def __init__(self) -> None:
        env = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
        env.pop('COLUMNS', None)
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        tool: str,
        args: Sequence[str] = (),
        env: Optional[Dict[str, str]] = None,
        timeout: float = 60,
    ) -> Ended:
        """Run a tool of ``tools/``.

        Args:
            tool (str): Its file.
            args (Sequence[str]): Its arguments.
            env (dict, optional): Variables of the environment to set.
            timeout (float): Seconds after which it is killed.
        """
        call = dict(tool=tool, args=list(map(str, args)), env=env or {})
        self.process.stdin.write(json.dumps({**call, 'timeout': timeout}))
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        return Ended(*json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self.process.stdin.close()
        self.process.wait()


def import_everything() -> None:
    """Import what the tools need, as they do before a training starts."""
    for name in IMPORTS:
        importlib.import_module(name)
    Config = importlib.import_module('mmengine.config').Config
    Config(dict(a=1)).dump()  # the formatter reads its grammar once


def run_child(tool: str, args, env) -> int:
    """Be the tool; return its exit status."""
    os.environ.update(env)
    path = ROOT / 'tools' / tool
    sys.argv = [str(path.relative_to(ROOT)), *args]
    sys.path[0] = str(path.parent)
    try:
        runpy.run_path(str(path), run_name='__main__')
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def fork(call: Dict, out, err) -> int:
    """Fork for a call; return its exit status."""
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.stdin = open(os.devnull)
            status = run_child(call['tool'], call['args'], call['env'])
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
    watch = os.pidfd_open(child)
    if not select.select([watch], [], [], call['timeout'])[0]:
        os.killpg(child, signal.SIGKILL)
    os.close(watch)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Serve calls from the standard input until it ends."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    import_everything()
    for line in sys.stdin:
        call = json.loads(line)
        with (
            tempfile.TemporaryFile('w+') as out,
            tempfile.TemporaryFile('w+') as err,
        ):
            status = fork(call, out, err)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read())
        print(json.dumps([status, *texts]), file=answers, flush=True)


if __name__ == '__main__':
    main()
