"""One training of a suite, as a program started by the runner.

It takes a file of settings: ``config``, ``options``, ``work_dir`` and
``precision``, which that of the results so far is, or null. Equivalent to
``tools/train.py`` with the same options. A training that was broken off is
resumed.
"""

import json
import sys
from pathlib import Path

from ...cli import load_config, run_tool
from ...engine.run import train
from ...provenance import describe_machine
from .comparability import check_same_precision, precision
from .configs import describe_wrapper
from .results import checkpoint_path, find_start_epoch

# Records the machine and the precision of the last start.
MADE_ON = 'made_on.json'


def main() -> None:
    """Read the settings and train.

    Raises:
        SettingError: If a setting is wrong, or this machine computes in
            another precision.
    """
    given = json.loads(Path(sys.argv[1]).read_text())
    cfg = load_config(given['config'], given['options'], given['work_dir'])
    work_dir = Path(given['work_dir'])
    here = precision(*describe_wrapper(cfg))
    check_same_precision(given['precision'], here)
    made_on = dict(machine=describe_machine(), precision=here)
    (work_dir / MADE_ON).write_text(json.dumps(made_on))
    start = find_start_epoch(work_dir)
    train(cfg, str(checkpoint_path(work_dir, start)) if start else None)


if __name__ == '__main__':
    run_tool(main)
