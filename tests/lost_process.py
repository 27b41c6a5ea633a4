"""One process of two that reduce forever; test_launchers.py loses one.

Beats are faster than in a training, to be done in seconds.
"""

import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from mmrazor_lakd import launchers
from mmrazor_lakd.cli import run_tool

launchers.BEAT_SECONDS = 0.2


def main():
    launchers.end_with_launcher()
    dist.init_process_group('gloo')
    with launchers.watched_peers():
        for number in range(10**6):
            dist.all_reduce(torch.ones(1))
            Path(sys.argv[1], f'{dist.get_rank()}').write_text(str(number))
            time.sleep(0.05)


if __name__ == '__main__':
    run_tool(main)
