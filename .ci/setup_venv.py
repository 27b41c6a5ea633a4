"""Makes the virtual environment that the Makefile's commands run in.

    python3.11 .ci/setup_venv.py --venv .venv --lock requirements/lock.txt

The environment has a file STATE. It is written first, saying 'unfinished', and
written again, with a hash of what was installed, when all is done. Only an
environment with the right hash is used as it is; any other one that has the
file is built anew, and one without the file is somebody else's: left alone.
Whatever stops a set-up (Ctrl-C, kill -9, a full disk, no network), the next
call therefore starts from nothing. Of two calls at a time one waits.

Needs nothing but Python's standard library.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from pip_output import Progress, errors_in, say

ROOT = Path(__file__).resolve().parent.parent
STATE = 'mmrazor_lakd_state.txt'
UNFINISHED = 'unfinished'
# What pip and Python read from the shell and what would lead them elsewhere.
MISLEADING = (
    'PIP_PREFIX',
    'PIP_TARGET',
    'PIP_USER',
    'PYTHONHOME',
    'PYTHONPATH',
)


class SetupError(Exception):
    """The set-up can't go on; the message is for the user."""


def state_when_done(venv: Path, lock: Path) -> str:
    """A hash of the pinned set and of the two paths an environment holds."""
    parts = [lock.read_bytes(), os.fsencode(venv), os.fsencode(ROOT)]
    return hashlib.sha256(b'\0'.join(parts)).hexdigest()


def is_ready(venv: Path, done: str) -> bool:
    try:
        if (venv / STATE).read_text() != done:
            return False
        # The Python that the environment points to may have been removed.
        command = [venv / 'bin' / 'python', '-c', '']
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def is_ours(venv: Path) -> bool:
    return (venv / STATE).exists() or not any(venv.iterdir())


def empty(venv: Path) -> None:
    """Removes all but STATE, so that a half-emptied one is still ours."""
    for path in venv.iterdir():
        if path.name == STATE:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def only_one(venv: Path):
    """Holds a lock that the kernel gives back however the holder ends.

    Yields its file descriptor. pip inherits it: where only this process is
    killed, the next call waits until pip has ended as well.
    """
    venv.parent.mkdir(parents=True, exist_ok=True)
    with open(venv.with_name(f'{venv.name}.lock'), 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f'Another call sets up {shown(venv)}: waiting for it.')
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def set_up(venv: Path, lock: Path, done: str, lock_fd: int) -> None:
    if venv.exists() and not venv.is_dir():
        raise SetupError(f'{shown(venv)} is not a folder.')
    if venv.is_dir() and not is_ours(venv):
        raise SetupError(
            f'{shown(venv)} exists and was not made by this command: remove '
            'it, or name another folder with VENV=folder.'
        )
    packages = [
        line
        for line in lock.read_text().splitlines()
        if re.match(r'\w', line.strip())
    ]
    size = ''
    if lock.samefile(ROOT / 'requirements' / 'lock.txt'):
        size = ' About 5 GB on disk, a few minutes; only the first time.'
    say(
        f'Setting up {shown(venv)}: {len(packages)} packages of '
        f'{shown(lock)}, Python {sys.version.split()[0]}.{size}'
    )
    started = time.monotonic()
    venv.mkdir(exist_ok=True)
    (venv / STATE).write_text(UNFINISHED)
    try:
        empty(venv)
        run(
            [sys.executable, '-m', 'venv', venv],
            'making the environment',
            len(packages),
            lock_fd,
        )
        python = venv / 'bin' / 'python'
        pip = [python, '-m', 'pip', 'install', '--no-input']
        pip += ['--disable-pip-version-check', '--progress-bar', 'off']
        if packages:
            run(
                [*pip, '-r', lock],
                'asking the package index',
                len(packages),
                lock_fd,
            )
        put_project_on_path(python)
        (venv / STATE).write_text(done)
    except BaseException:
        # Gives the disk space back; safety rests on STATE alone.
        empty(venv)
        raise
    say(f'{shown(venv)} is ready after {time.monotonic() - started:.0f} s.')


def put_project_on_path(python: Path) -> None:
    # What an editable install does, without a build in the source tree.
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site_packages = subprocess.run(
        [python, '-c', code],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env=clean_environment(),
    ).stdout.strip()
    Path(site_packages, 'mmrazor_lakd_source.pth').write_text(f'{ROOT}\n')


def run(command: list, doing: str, packages: int, lock_fd: int) -> None:
    """Runs a command, showing what it does instead of all that it prints."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        env=clean_environment(),
        pass_fds=(lock_fd,),
    )
    lines = []
    progress = Progress(doing, packages)

    def read() -> None:
        for line in process.stdout:
            lines.append(line.rstrip())
            progress.see(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            progress.show()
            try:
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                pass
    finally:
        progress.close()
        if process.poll() is None:
            process.terminate()
            process.wait()
        reader.join(timeout=5)
    if process.returncode:
        hint = ''
        if 'No space left on device' in '\n'.join(lines):
            hint = (
                ' A disk is full: the one of this folder, or the one of '
                'temporary files (TMPDIR=folder names another).'
            )
        raise SetupError(
            f'{errors_in(lines)}\nThe set-up failed while {progress.doing}.'
            f'{hint} Nothing of it is kept; when the cause is mended, run the '
            'same again.'
        )


def clean_environment() -> dict:
    return {k: v for k, v in os.environ.items() if k not in MISLEADING}


def shown(path: Path) -> str:
    path = str(path)
    start = f'{os.getcwd()}{os.sep}'
    return path[len(start) :] if path.startswith(start) else path


def check_python() -> None:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        version = '{}.{}'.format(*sys.version_info[:2])
        raise SetupError(
            f'Python {version} at {sys.executable} cannot make virtual '
            f'environments: install its module venv (Debian, Ubuntu: apt '
            f'install python{version}-venv), or name another Python with '
            'PYTHON=path.'
        ) from None


def stop(signum, frame) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--venv', type=Path, default=ROOT / '.venv')
    parser.add_argument(
        '--lock', type=Path, default=ROOT / 'requirements' / 'lock.txt'
    )
    args = parser.parse_args()
    # Not resolve(): a link named .venv stays what the user made it.
    venv = Path(os.path.abspath(args.venv))
    lock = args.lock.resolve()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup has it ignored, and it stays so.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, stop)
    try:
        if not lock.is_file():
            raise SetupError(f'There is no file {args.lock}.')
        done = state_when_done(venv, lock)
        if is_ready(venv, done):
            return 0
        check_python()
        with only_one(venv) as lock_fd:
            # Another call may have finished it while this one waited.
            if not is_ready(venv, done):
                set_up(venv, lock, done, lock_fd)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f'The set-up failed: {error}. Nothing of it is kept.',
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            'The set-up was stopped. Nothing of it is kept.', file=sys.stderr
        )
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
