"""A training goes on where a checkpoint is from, wherever that is."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import DataLoader, IterableDataset, RandomSampler
from toy_training import Noisy, build_runner, stack, train

from mmrazor_lakd import SettingError

BY_ITERATION = dict(
    train_cfg=dict(by_epoch=False, max_iters=11), param_scheduler=None
)
WORKERS = dict(num_workers=2)


@DATA_SAMPLERS.register_module()
class Shuffle(RandomSampler):
    """PyTorch's, which draws its order from the global generator."""

    def __init__(self, dataset, shuffle, seed):
        super().__init__(dataset)


@pytest.mark.parametrize(
    'settings',
    [
        {},
        dict(loader=dict(WORKERS, persistent_workers=True)),
        dict(sampler='Shuffle'),
        # after the last iteration of an epoch, but not at its end
        dict(saving=dict(interval=4), start='iter_4.pth'),
        dict(saving=dict(by_epoch=True, interval=1), start='epoch_1.pth'),
        # two iterations of an update are done
        dict(
            optim_wrapper=dict(
                accumulative_counts=4,
                optimizer=dict(type='SGD', lr=1e-4, momentum=0.9),
            )
        ),
        dict(randomness=dict(seed=None)),
        BY_ITERATION,
        dict(BY_ITERATION, sampler='Shuffle'),
        dict(BY_ITERATION, sampler='InfiniteSampler'),
        dict(BY_ITERATION, sampler='InfiniteSampler', loader=WORKERS),
    ],
    ids=lambda settings: '-'.join(settings) or 'plain',
)
def test_resumed_equals_unbroken(tmp_path, settings):
    settings = dict(settings)
    start = settings.pop('start', 'iter_6.pth')
    unbroken, runner = train(tmp_path / 'unbroken', **settings)
    path = str(tmp_path / 'unbroken' / start)
    resumed, other = train(
        tmp_path / 'resumed', resume=True, load_from=path, **settings
    )
    assert torch.equal(unbroken, resumed)
    assert (runner.epoch, runner.iter) == (other.epoch, other.iter)
    # nothing was loaded or trained twice
    done = int(''.join(filter(str.isdigit, start)))
    done *= 4 if start.startswith('epoch') else 1
    seen, seen_again = (
        next(hook.seen for hook in found.hooks if hasattr(hook, 'seen'))
        for found in (runner, other)
    )
    assert seen_again == seen[done:]


class Passes(Hook):
    """Goes through the data once more, as mmpretrain's PreciseBNHook does."""

    def __init__(self):
        self.seen = []

    def after_train_epoch(self, runner):
        batches = [batch['inputs'] for batch in runner.train_dataloader]
        self.seen.append(torch.stack([batch.sum() for batch in batches]))


def test_a_pass_of_a_hook_after_the_last_iteration(tmp_path):
    """It is whole, though the resumed one has nothing left."""
    found = []
    for start in (None, 'iter_4.pth'):
        hook = Passes()
        path = start and str(tmp_path / 'None' / start)
        train(
            tmp_path / str(start), hooks=[{'type': 'EpochSeedHook'}, hook],
            saving=dict(interval=4), resume=bool(path), load_from=path,
        )  # fmt: skip
        found.append(torch.stack(hook.seen))
    assert torch.equal(*found)


def test_workers_load_what_one_process_loads(tmp_path):
    found = [
        train(tmp_path / str(count), loader=dict(num_workers=count))[0]
        for count in (0, 2)
    ]
    assert torch.equal(*found)


def test_a_resumed_epoch_may_be_stopped_again(tmp_path):
    unbroken, _ = train(tmp_path / 'unbroken', saving=dict(interval=1))
    for stop in (2, 3, 7):
        train(
            tmp_path / 'stopped', saving=dict(interval=1), stop=stop,
            resume=True,
        )  # fmt: skip
    resumed, _ = train(
        tmp_path / 'stopped', saving=dict(interval=1), resume=True
    )
    assert torch.equal(unbroken, resumed)


def test_each_process_has_its_own_random_numbers():
    from mmrazor_lakd.engine.numbered_batches import Batch, SeededDataset

    first = SeededDataset(Noisy(), seed=3, rank=0)
    other = SeededDataset(Noisy(), seed=3, rank=1)
    batch = Batch(5, [1, 2])
    assert torch.equal(
        stack(first[batch])['inputs'], stack(first[batch])['inputs']
    )
    assert not torch.equal(first[batch][0], other[batch][0])
    assert not torch.equal(first[batch][0], first[Batch(6, [1, 2])][0])


def test_the_middle_of_an_epoch_needs_the_hook(tmp_path):
    train(tmp_path, stop=7, hooks=[])
    with pytest.raises(SettingError, match='after 2 of its.*EpochSeedHook'):
        train(tmp_path, resume=True, hooks=[])


def test_epochs_of_another_length(tmp_path):
    train(tmp_path, stop=7)
    with pytest.raises(SettingError, match='after 2 of 4 iter.* has 3 now'):
        runner = build_runner(tmp_path, resume=True)
        runner._train_dataloader['batch_size'] = 4
        runner.train()


class Stream(IterableDataset):
    metainfo = {}

    def __iter__(self):
        return iter(torch.ones(12, 4))

    def __len__(self):
        return 12


def test_data_that_cannot_be_numbered(tmp_path):
    def go(resume=False, stop=None):
        loader = DataLoader(Stream(), batch_size=3, collate_fn=stack)
        train(tmp_path, resume=resume, stop=stop, train_dataloader=loader)

    go(stop=7)
    with pytest.raises(SettingError, match="can't go on at iteration 6 with"):
        go(resume=True)
