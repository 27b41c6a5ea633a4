"""What several tests build: small real models and batches."""

import copy
import os
import time
from pathlib import Path

# Resumed trainings are compared to the last digit, and several processes with
# one, for which a machine's GPU won't do. Said before torch looks for it.
os.environ['CUDA_VISIBLE_DEVICES'] = ''
# Two test processes with as many threads as cores each would wait for another.
if 'PYTEST_XDIST_WORKER' in os.environ:
    os.environ.setdefault('OMP_NUM_THREADS', '1')

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

from mmrazor_lakd.config_check import read_config_file

ROOT = Path(__file__).parents[1]
LOCAL_MODULES = [
    dict(student='backbone.layer1.preact', teacher='backbone.layer1.preact'),
    dict(student='backbone.layer2.preact', teacher='backbone.layer2.preact'),
]
LOGITS_KD = dict(
    student_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    distill_losses=dict(loss_kd=dict(type='KLDivergence', tau=4.0)),
    loss_forward_mappings=dict(
        loss_kd=dict(
            preds_S=dict(recorder='logits', from_student=True),
            preds_T=dict(recorder='logits', from_student=False),
        )
    ),
)


def classifier(depth, num_classes=10, width=64):
    """Config of a CIFAR ResNet."""
    return dict(
        _scope_='mmpretrain',
        type='ImageClassifier',
        backbone=dict(type='CIFARResNet', depth=depth),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=num_classes, in_channels=width
        ),
    )


def lakd(local_modules=LOCAL_MODULES, **kwargs):
    """Config of an LAKD distiller."""
    return dict(
        type='LAKDDistiller',
        local_modules=copy.deepcopy(local_modules),
        **kwargs,
    )


def read_config(path):
    """A config as the tools read it, which the Runner doesn't format."""
    return read_config_file(str(path))


def total(losses):
    """The sum that MMEngine minimises: of all that is called a loss."""
    return sum(value for name, value in losses.items() if 'loss' in name)


@pytest.fixture(autouse=True)
def _scope():
    """Build in mmpretrain's scope, as the configs do."""
    # A name of its own: the scope that was made last is the current one, and
    # a Runner of another test may have made one meanwhile.
    name = f'tests {len(DefaultScope._instance_dict)}'
    DefaultScope.get_instance(name, scope_name='mmpretrain')


def build_model(
    distiller,
    student=None,
    teacher=None,
    type='FrozenTeacherDistill',
    seed=0,
    **kwargs,
):
    """Build an algorithm, by default with a ResNet8 student."""
    from mmrazor.registry import MODELS

    torch.manual_seed(seed)
    model = MODELS.build(
        dict(
            _scope_='mmrazor',
            type=type,
            architecture=student or classifier(8),
            teacher=teacher or classifier(14),
            distiller=distiller,
            **kwargs,
        )
    )
    model.init_weights()
    model.train()
    return model


@pytest.fixture
def no_training_under_way():
    """A warm-up looks into the hub of the newest training."""
    MessageHub.get_instance(f'no_training_{time.monotonic_ns()}')


@pytest.fixture
def build():
    """See :func:`build_model`."""
    return build_model


@pytest.fixture
def batch():
    """Four images and their labels."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(4, 3, 32, 32, generator=generator)
    samples = [DataSample().set_gt_label(label) for label in range(4)]
    return images, samples


@pytest.fixture
def warnings(caplog):
    """Give the warnings in MMEngine's log so far."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield lambda: [r.getMessage() for r in caplog.records if r.levelno == 30]
    logger.removeHandler(caplog.handler)
