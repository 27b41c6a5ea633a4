"""CRD in real trainings: resumed, with EMA, from its configs."""

import inspect

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmrazor_lakd import SettingError
from mmrazor_lakd.benchmark.cost.synthetic_data import replace_train_data

RUNNER = inspect.signature(Runner).parameters
# tests/test_configs.py has all of them
CONFIGS = sorted((ROOT / 'configs/crd').glob('crd_resnet20_resnet8_*.py'))
DIGITS = ROOT / 'configs/crd/crd_resnet20_resnet8_1xb64_digits.py'
LOSS = 'model.distiller.distill_losses.loss_crd'


@HOOKS.register_module(force=True)
class LossRecorder(Hook):
    """Keeps every step's loss."""

    def before_train(self, runner):
        self.values = []

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        self.values.append(outputs['distill.loss_crd'].item())


def build_runner(cfg, folder):
    """Build a Runner that trains and does not print the config.

    MMEngine takes seconds to format one, four times a run.
    """
    settings = {
        name: value
        for name, value in cfg.items()
        if name in RUNNER and not name.startswith(('val_', 'test_'))
    }
    settings.update(
        work_dir=str(folder),
        experiment_name=str(folder).replace('/', '_'),
        cfg=dict(data_preprocessor=cfg.data_preprocessor),
    )
    return Runner(**settings)


@pytest.fixture
def train(tmp_path):
    """Trains a ResNet8 on 96 digits, without the augmentation's chance.

    MMEngine's checkpoints have no states of random generators.
    """

    def _train(name, epochs, **options):
        cfg = Config.fromfile(DIGITS)
        cfg.model.teacher_ckpt = None
        cfg.model.teacher.backbone.depth = 8
        cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
        cfg.custom_hooks.append(dict(type='LossRecorder'))
        cfg.custom_hooks += options.pop('hooks', [])
        cfg.merge_from_dict(
            {
                'train_cfg.max_epochs': epochs,
                'train_dataloader.dataset.indices': 96,
                'train_dataloader.dataset.pipeline': [],
                'train_dataloader.batch_size': 32,
                f'{LOSS}.num_samples': 96,
                f'{LOSS}.num_negatives': 64,
                'optim_wrapper.type': 'OptimWrapper',
                'param_scheduler': None,
                **options,
            }
        )
        runner = build_runner(cfg, tmp_path / name)
        runner.train()
        recorder = next(
            h for h in runner.hooks if type(h).__name__ == 'LossRecorder'
        )
        return runner, recorder.values

    return _train


def crd_of(model):
    return model.distiller.distill_losses['loss_crd']


def test_resumed_equals_unbroken(train):
    """Bit by bit: losses, weights and banks."""
    whole, values = train('whole', 4)
    train('broken', 2)
    resumed, rest = train('broken', 4, resume=True)
    assert len(values) == 12 and rest == values[6:]
    expected = whole.model.state_dict()
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert crd_of(resumed.model).sampler.step == 12
    assert crd_of(resumed.model).sampler.seed == resumed.seed == 0


def test_seed_of_the_run_seeds_the_negatives(train):
    runner, values = train('one', 1)
    other, others = train('other', 1, **{'randomness.seed': 7})
    assert crd_of(other.model).sampler.seed == 7
    assert values != others


@pytest.mark.parametrize('update_buffers', [False, True])
def test_ema_leaves_the_banks_alone(train, update_buffers):
    """EMAHook copies the model, which MMRazor's CRDLoss does not survive.

    The training goes on as without it, and the counters are not averaged.
    """
    plain, values = train('plain', 2)
    hook = dict(type='EMAHook', momentum=0.1, update_buffers=update_buffers)
    runner, found = train('ema', 2, hooks=[hook])
    assert found == values
    ours, expected = crd_of(runner.model), crd_of(plain.model)
    for name, value in expected.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    ema = next(h for h in runner.hooks if type(h).__name__ == 'EMAHook')
    copied = crd_of(ema.ema_model.module)
    if update_buffers:  # averaged, as the user asks; training reads none
        assert not torch.equal(
            copied.student_bank.rows, ours.student_bank.rows
        )
    else:
        for name, value in ours.state_dict().items():
            assert torch.equal(copied.state_dict()[name], value), name
    resumed, rest = train('ema', 3, hooks=[hook], resume=True)
    assert rest == train('plain', 3, resume=True)[1]


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_two_iterations_of_each_config(path, tmp_path):
    """On data of the format and number that the config names.

    Both embeddings are trained, though the teacher runs without gradients:
    nothing but gradients moves a weight without weight decay.
    """
    cfg = Config.fromfile(path)
    cfg.model.teacher_ckpt = None
    cfg.train_cfg = dict(by_epoch=False, max_iters=2)
    cfg.param_scheduler = None
    cfg.train_dataloader.batch_size = 8
    cfg.optim_wrapper.optimizer.weight_decay = 0
    cfg.default_hooks.checkpoint = None
    if 'digits' not in path.stem:
        replace_train_data(cfg, size=32)
    runner = build_runner(cfg, tmp_path)
    connectors = runner.model.distiller.connectors
    before = {n: p.clone() for n, p in connectors.named_parameters()}
    runner.train()
    assert len(before) == 4
    for name, param in connectors.named_parameters():
        assert not torch.equal(param, before[name]), name
    loss = crd_of(runner.model)
    assert loss.sampler.step == 2 and loss.loss_weight == 0.8
    assert loss.sampler.labels.tolist() == list(
        runner.train_dataloader.dataset.get_gt_labels()
    )


def test_other_number_of_samples(train):
    with pytest.raises(SettingError, match='num_samples=1352.*=96'):
        train('wrong', 1, **{f'{LOSS}.num_samples': 1352})


def test_data_without_labels_is_refused(train):
    with pytest.raises(SettingError, match='ConcatDataset has no get_gt_lab'):
        dataset = dict(type='mmpretrain.Digits', split='train')
        train(
            'concat',
            1,
            **{
                'train_dataloader.dataset': dict(
                    _delete_=True, type='ConcatDataset', datasets=[dataset]
                )
            },
        )
