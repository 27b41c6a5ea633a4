"""The trainings of the campaign of kills, and what makes two of them equal."""

import copy
from pathlib import Path
from typing import Any, Dict, Iterator, NamedTuple

import torch
from conftest import ROOT, classifier
from mmengine.config import Config
from mmpretrain.registry import MODELS

from mmrazor_lakd.benchmark.suite.results import read_accuracies

EPOCH, ITERATIONS = 12, 36
# 3 epochs of 12 iterations, on scikit-learn's digits. Each
# iteration is logged, by which the campaign sees how far a training is.
SMALL = {
    'train_dataloader.batch_size': 16,
    'train_dataloader.dataset.indices': 192,
    'val_dataloader.batch_size': 8,
    'val_dataloader.dataset.indices': 64,
    'train_cfg.max_epochs': 3,
    'optim_wrapper.type': 'OptimWrapper',  # float32
    'default_hooks.logger.interval': 1,
}
EMA = {'default_hooks.ema': dict(type='EMAHook', momentum=0.01)}
MID_EPOCH = {
    'default_hooks.checkpoint.by_epoch': False,
    'default_hooks.checkpoint.interval': 5,
}
BY_ITERATION = {
    **MID_EPOCH,
    'train_cfg': dict(
        _delete_=True, by_epoch=False, max_iters=ITERATIONS, val_interval=12
    ),
    'param_scheduler': [
        dict(type='CosineAnnealingLR', T_max=ITERATIONS, by_epoch=False)
    ],
}
WORKERS = {
    'train_dataloader.num_workers': 2,
    'train_dataloader.persistent_workers': True,
}
FEW_SAMPLES = {
    f'model.distiller.distill_losses.loss_crd.{name}': value
    for name, value in (('num_samples', 192), ('num_negatives', 128))
}
OPENING = {'model.distiller.progressive': dict(fraction=0.5)}
FEED = {'model.distiller.feed': dict(fraction=0.5)}
PLATEAU = {
    'param_scheduler': [
        dict(
            type='ReduceOnPlateauLR',
            monitor='accuracy/top1',
            rule='greater',
            patience=0,
        )
    ]
}


class Training(NamedTuple):
    """A shipped config, with changes.

    Attributes:
        config (str): Its file in ``configs/``.
        changes (dict): Settings by their dotted names.
        ranks (int): Number of processes.
    """

    config: str
    changes: Dict[str, Any]
    ranks: int = 1


LAKD = 'lakd/lakd_resnet20_resnet8_1xb64_digits.py'
KD = 'kd/kd_resnet20_resnet8_1xb64_digits.py'
CRD = 'crd/crd_resnet20_resnet8_1xb64_digits.py'
TWO = {'train_dataloader.batch_size': 8}
TRAININGS = {
    'lakd': Training(LAKD, {}),
    'kd-ema-plateau': Training(KD, {**EMA, **PLATEAU}),
    'crd-mid-epoch': Training(CRD, {**FEW_SAMPLES, **MID_EPOCH}),
    'opening-by-iteration': Training(LAKD, {**OPENING, **BY_ITERATION}),
    'feed-ema-workers': Training(LAKD, {**FEED, **EMA, **WORKERS}),
    'lakd-ema-two-ranks': Training(LAKD, {**EMA, **TWO}, 2),
    'crd-mid-epoch-two-ranks': Training(
        CRD, {**FEW_SAMPLES, **MID_EPOCH, **TWO}, 2
    ),
    'kd-by-iteration-workers': Training(KD, {**BY_ITERATION, **WORKERS}),
}


def write_teacher(path: Path) -> None:
    """Write a checkpoint of a ResNet20, as tools/train.py writes it."""
    torch.manual_seed(0)
    model = MODELS.build(classifier(20))
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), path)


def write_config(training: Training, teacher: Path, path: Path) -> None:
    """Write the config of a training."""
    cfg = Config.fromfile(str(ROOT / 'configs' / training.config))
    cfg.merge_from_dict({**SMALL, 'model.teacher_ckpt': str(teacher)})
    cfg.merge_from_dict(copy.deepcopy(training.changes))  # it pops _delete_
    cfg.dump(str(path))


def differences(found: Path, expected: Path) -> Iterator[str]:
    """Name what two trainings don't have in common at their end.

    Weights, averaged weights, memory banks, optimizer and schedulers are
    compared bit by bit, besides the accuracies and the files that are left.
    """
    names = [
        sorted(path.name for path in folder.glob('*.pth*'))
        for folder in (found, expected)
    ]
    if names[0] != names[1]:
        yield f'files: {names}'
    if read_accuracies(found) != read_accuracies(expected):
        yield f'accuracies: {read_accuracies(found)}'
    for name in set(names[0]) & set(names[1]):
        if name.endswith('.pth'):
            saved, other = (
                torch.load(folder / name, weights_only=False)
                for folder in (found, expected)
            )
            for key in set(saved) | set(other):
                if key not in ('meta', 'message_hub'):
                    pair = saved.get(key), other.get(key)
                    yield from _unequal(*pair, f'{name} {key}')
            for key in ('epoch', 'iter'):
                yield from _unequal(
                    saved['meta'][key], other['meta'][key], f'{name} {key}'
                )


def _unequal(found: Any, expected: Any, name: str) -> Iterator[str]:
    """Name the values that two nested containers don't share."""
    if isinstance(found, torch.Tensor) and isinstance(expected, torch.Tensor):
        if found.dtype != expected.dtype or not torch.equal(found, expected):
            yield name
    elif isinstance(found, dict) and isinstance(expected, dict):
        for key in found.keys() | expected.keys():
            pair = found.get(key), expected.get(key)
            yield from _unequal(*pair, f'{name}.{key}')
    elif isinstance(found, (list, tuple)) and len(found) == len(expected):
        for place, pair in enumerate(zip(found, expected)):
            yield from _unequal(*pair, f'{name}.{place}')
    elif found != expected:
        yield f'{name}: {found} in place of {expected}'
