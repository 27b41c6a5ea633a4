"""What a process that failed leaves behind."""

import re
from pathlib import Path


def explain_failure(returncode: int, log: Path) -> str:
    """Say in one line why a process failed.

    Args:
        returncode (int): Not 0; negative for a signal.
        log (Path): What it printed.

    Returns:
        str: The signal; or the last line of the log that tells an error; or
        else its last line.
    """
    if returncode < 0:
        return f'ended by signal {-returncode}'
    lines = log.read_text(errors='replace').splitlines()
    told = [
        i for i in lines if re.match(r'error: |[\w.]+(Error|Exception)', i)
    ]
    return ' '.join((told or lines or ['it printed nothing'])[-1].split())
