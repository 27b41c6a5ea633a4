"""numpy_check.py in a process whose PyTorch can't use NumPy."""

import os
import subprocess
import sys

from conftest import ROOT

# PyTorch looks for NumPy once, at the latest when an array is asked for. One
# that was built for NumPy 1 and finds NumPy 2 ends in the same state as one
# that finds none.
SCRIPT = """
import sys
sys.modules['numpy'] = None
import torch
try:
    torch.zeros(1).numpy()
except RuntimeError:
    pass
del sys.modules['numpy']
import mmrazor_lakd
"""


def test_import_names_the_command_that_helps():
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', SCRIPT],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith('mmrazor_lakd.errors.SettingError: PyTorch ')
    assert '(Numpy is not available)' in last
    assert 'pip install "numpy<2" opencv-python' in last
