"""The tool that measures data loaders, as a user runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / 'configs' / '_base_' / 'datasets' / 'digits_bs64.py'


def run(*arguments):
    tool = ROOT / 'tools' / 'benchmark_dataloader.py'
    return subprocess.run(
        [sys.executable, str(tool), *map(str, arguments)],
        env=dict(os.environ, PYTHONPATH=str(ROOT), COLUMNS='120'),
        capture_output=True,
        text=True,
    )


def test_table_of_two_configs(tmp_path):
    smaller = tmp_path / 'smaller.py'
    smaller.write_text(
        f"_base_ = '{DIGITS}'\ntrain_dataloader = dict(batch_size=16)\n"
    )
    # 30 batches: more than an epoch of 22
    done = run(DIGITS, smaller, '--batches', 30, '--passes', 3)
    assert done.returncode == 0, done.stderr
    rows = {}
    for line in done.stdout.splitlines():
        cells = [cell.strip() for cell in re.split('[│┃]', line)]
        if len(cells) == 8 and cells[2].isdigit():
            rows[cells[1]] = cells[2:7]
    assert list(rows) == ['digits_bs64', 'smaller']
    batch, workers, rate, spread, ratio = rows['digits_bs64']
    assert (batch, workers, ratio) == ('64', '0', '1.0')
    lowest, highest = (int(end.replace(',', '')) for end in spread.split('-'))
    assert 0 < lowest <= int(rate.replace(',', '')) <= highest
    assert rows['smaller'][0] == '16'
    expected = int(rows['smaller'][2].replace(',', '')) / int(
        rate.replace(',', '')
    )
    assert abs(float(rows['smaller'][4]) - expected) < 0.06
    assert 'median of 3 passes of 30 batches' in done.stdout
