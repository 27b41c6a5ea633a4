"""One training of a suite, as a program started by the runner.

It takes a file of settings: ``config``, ``options``, ``work_dir`` and
``resume``, a checkpoint or null. Equivalent to ``tools/train.py`` with the
same options.
"""

import json
import sys
from pathlib import Path

from ...cli import load_config, run_tool
from ...engine.run import train


def main() -> None:
    """Read the settings and train."""
    given = json.loads(Path(sys.argv[1]).read_text())
    cfg = load_config(given['config'], given['options'], given['work_dir'])
    train(cfg, given['resume'])


if __name__ == '__main__':
    run_tool(main)
