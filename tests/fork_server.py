"""Runs the command line tools, each in a process of its own, without delay.

To import PyTorch and OpenMMLab's packages takes seconds, so that hundreds of
calls would take an hour. One process imports them once and forks for each
call; what happens in it afterwards is what happens in any other process. The
imports themselves, and what they print, take a process that starts anew.
"""

import atexit
import functools
import gc
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
from typing import Any, Dict, List, NamedTuple, Optional, Union

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


class Tool(NamedTuple):
    """A tool at work, in a session of its own."""

    command: List[str]
    pid: int

    def is_running(self) -> bool:
        """Check whether it has not ended yet."""
        watch = os.pidfd_open(self.pid)
        ended = select.select([watch], [], [], 0)[0]
        os.close(watch)
        return not ended

    def finish(self, timeout: float = 300) -> subprocess.CompletedProcess:
        """Wait for its end; once only.

        Args:
            timeout (float): Seconds after which it is killed.

        Returns:
            CompletedProcess: As of :func:`subprocess.run`.
        """
        answer = ask_server(dict(pid=self.pid, timeout=timeout))
        return subprocess.CompletedProcess(self.command, *answer)


def start_tool(
    tool: Union[str, Path],
    *args,
    cwd: Path = ROOT,
    env: Optional[Dict[str, str]] = None,
) -> Tool:
    """Start a tool in a fork of the process that has imported everything.

    Args:
        tool (str | Path): Its file, such as ``tools/train.py``.
        args: Its arguments.
        cwd (Path): Where it runs. Defaults to the project's folder.
        env (dict, optional): Variables to set in its environment, which is
            this process's, with one thread and without a terminal's width.
    """
    command = [str(tool), *map(str, args)]
    call = dict(command=command, cwd=str(cwd), env=env or {})
    return Tool(command, ask_server(call))


def start_ranks(tool: Union[str, Path], *args, port: int) -> List[Tool]:
    """Start two processes of one training, with a launcher's variables."""
    env = dict(WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    return [
        start_tool(tool, *args, env=dict(env, RANK=rank, LOCAL_RANK=rank))
        for rank in '01'
    ]


def call_tool(
    tool: Union[str, Path], *args, timeout: float = 300, **kwargs
) -> subprocess.CompletedProcess:
    """Run a tool to its end: see :func:`start_tool`, :meth:`Tool.finish`."""
    return start_tool(tool, *args, **kwargs).finish(timeout)


def ask_server(question: Dict) -> Any:
    """Send the server a line, and return its answer."""
    server = start_server()
    server.stdin.write(json.dumps(question) + '\n')
    server.stdin.flush()
    return json.loads(server.stdout.readline())


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
    # A collection in a fork would visit, and so copy, all that was imported.
    gc.freeze()


def be_the_tool(call: Dict, out: int, err: int) -> None:
    """Run the tool in a forked process, to its end."""
    os.setsid()
    # A shell's & has it ignored, and all that was started from there too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
    """Answer questions from the standard input until it ends."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    import_everything()
    outputs = {}
    for line in sys.stdin:
        question = json.loads(line)
        if 'command' in question:
            out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
            answer = os.fork()
            if not answer:
                return be_the_tool(question, out.fileno(), err.fileno())
            outputs[answer] = out, err
        else:
            answer = [wait_for(question['pid'], question['timeout'])]
            for file in outputs.pop(question['pid']):
                with file:
                    file.seek(0)
                    answer.append(file.read().decode())
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == '__main__':
    serve()
