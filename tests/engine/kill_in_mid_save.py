"""Trains in children that are killed at one point of saving after the other.

Usage: python kill_in_mid_save.py FOLDER

The children train 2 iterations and save after each, with max_keep_ckpts=1.
Prints, for each hook and point, what the kill left behind, as lines of JSON.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

import torch
from toy_training import build_runner, train

from mmrazor_lakd import SettingError
from mmrazor_lakd.engine.resume import find_start

SETTINGS = dict(
    saving=dict(interval=1),
    train_cfg=dict(by_epoch=False, max_iters=2),
    param_scheduler=None,
)


def kill_at(point, folder):
    """Die at the n-th opening, renaming or removal of a checkpoint."""
    points = count()

    def watch(event, args):
        if event not in ('open', 'os.rename', 'os.remove'):
            return
        path = str(args[0])
        reads = event == 'open' and 'w' not in str(args[1])
        if reads or not path.startswith(str(folder)):
            return
        if '.pth' in path or 'last_checkpoint' in path:
            if next(points) == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def in_child(work):
    """Run something in a process of its own; return how that ended."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def report(root, hook, point):
    """Print what a kill at a point leaves; tell whether there was one."""
    folder = root / f'{hook}{point}'
    saving = dict(type=hook, interval=1, max_keep_ckpts=1)
    settings = dict(SETTINGS, saving=saving)

    def die():
        kill_at(point, folder)
        train(folder, **settings)

    status = in_child(die)
    if not os.WIFSIGNALED(status):
        assert status == 0
        return False
    start = None
    with suppress(SettingError):  # of a pointer to what MMEngine's has lost
        start = find_start(str(folder))
    left = sorted(path.name for path in folder.glob('*.pth*'))
    found = dict(hook=hook, start=start and Path(start).name, left=left)
    if hook == 'SafeCheckpointHook':
        assert in_child(lambda: train(folder, resume=True, **settings)) == 0
        found.update(
            alike=weights(folder).equal(weights(root / 'unbroken')),
            at_the_end=sorted(path.name for path in folder.glob('*.pth*')),
        )
    print(json.dumps(found), flush=True)
    return True


def weights(folder):
    return torch.load(folder / 'iter_2.pth')['state_dict']['layer.weight']


if __name__ == '__main__':
    root = Path(sys.argv[1])
    # Describes the machine once, not in each child.
    build_runner(root / 'unbroken')
    in_child(lambda: train(root / 'unbroken', **SETTINGS))
    for hook in ('SafeCheckpointHook', 'CheckpointHook'):
        for point in count():
            if not report(root, hook, point):
                break
