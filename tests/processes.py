"""How the tests start other programs, and write files for them."""

import os
import subprocess


def clean_environment():
    """Without what an outer make or a shell would add to a process."""
    drop = ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'PYTHONPATH')
    return {k: v for k, v in os.environ.items() if k not in drop}


def run(*command, cwd=None):
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def write(path, text=''):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
