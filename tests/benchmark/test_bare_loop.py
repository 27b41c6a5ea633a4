"""The bare loop trains copies, and only copies, of the same networks."""

import pytest
import torch
from conftest import LOGITS_KD, classifier
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmrazor_lakd.benchmark.cost.bare_loop import (
    BareLoop,
    copy_bare,
    memory_format,
)
from mmrazor_lakd.engine import Bfloat16OptimWrapper

KD = dict(type='ConfigurableDistiller', **LOGITS_KD)


def make_batch(images, samples):
    return dict(inputs=images, data_samples=samples)


def count_norms(model):
    return sum(
        isinstance(m, torch.nn.modules.batchnorm._BatchNorm)
        for m in model.modules()
    )


def test_networks_are_copied_before_the_training_changes_them(build, batch):
    model = build(KD, teacher=classifier(8))
    norms = count_norms(model.teacher)
    bare_loop = BareLoop(model)
    assert not bare_loop.teacher.training and bare_loop.student.training
    wrapper = OptimWrapper(
        torch.optim.SGD(
            model.architecture.parameters(),
            lr=0.1,
            momentum=0.9,
            weight_decay=5e-4,
        )
    )
    model.train_step(make_batch(*batch), wrapper)  # may fold the teacher
    bare_loop.prepare(model, wrapper, make_batch(*batch))
    assert count_norms(bare_loop.teacher) == norms
    assert not any(m._forward_hooks for m in bare_loop.student.modules())
    settings = bare_loop.optimizer.param_groups[0]
    assert type(bare_loop.optimizer) is torch.optim.SGD
    assert (settings['momentum'], settings['weight_decay']) == (0.9, 5e-4)
    before = {
        name: [p.clone() for p in network.parameters()]
        for name, network in (
            ('own', bare_loop.student),
            ('teacher', bare_loop.teacher),
            ('model', model.architecture),
        )
    }
    bare_loop.step()
    same = {
        name: all(map(torch.equal, before[name], network.parameters()))
        for name, network in (
            ('own', bare_loop.student),
            ('teacher', bare_loop.teacher),
            ('model', model.architecture),
        )
    }
    assert same == dict(own=False, teacher=True, model=True)


def test_step_is_that_of_a_plain_loop(batch):
    model = MODELS.build(classifier(8))
    model.train()
    images, samples = batch
    bare_loop = BareLoop(model)
    assert bare_loop.teacher is None
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    bare_loop.prepare(model, wrapper, make_batch(images, samples))
    bare_loop.step()
    model.train_step(make_batch(images, samples), wrapper)
    for own, expected in zip(
        bare_loop.student.parameters(), model.parameters()
    ):
        torch.testing.assert_close(own, expected)


@pytest.mark.parametrize('kind', [OptimWrapper, Bfloat16OptimWrapper])
def test_precision_and_layout_are_the_training_s(kind, batch):
    model = MODELS.build(classifier(8))
    model.to(memory_format=torch.channels_last)
    bare_loop = BareLoop(model)
    wrapper = kind(torch.optim.SGD(model.parameters(), lr=0.1))
    bare_loop.prepare(model, wrapper, make_batch(*batch))
    seen = []
    bare_loop.student.backbone.register_forward_hook(
        lambda module, inputs, output: seen.append(output[0])
    )
    bare_loop.step()
    (found,) = seen
    bfloat16 = getattr(wrapper, 'enabled', False)
    assert found.dtype == (torch.bfloat16 if bfloat16 else torch.float32)
    assert memory_format(bare_loop.student) is torch.channels_last
    assert bare_loop.describe() == (
        f'student of 78,042 parameters, batch 4x3x32x32, SGD, '
        f'{kind.__name__}, channels_last'
    )


def test_mixed_labels(batch):
    model = MODELS.build(classifier(8))
    bare_loop = BareLoop(model)
    images, _ = batch
    samples = [
        DataSample().set_gt_score(torch.full((10,), 0.1)) for _ in images
    ]
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    bare_loop.prepare(model, wrapper, make_batch(images, samples))
    assert bare_loop.target.shape == (4, 10)
    bare_loop.step()


def test_hooks_of_the_original_stay(build):
    model = build(KD).architecture
    hooks = [len(m._forward_hooks) for m in model.modules()]
    assert sum(hooks) > 0
    bare = copy_bare(model)
    assert [len(m._forward_hooks) for m in model.modules()] == hooks
    assert not any(m._forward_hooks for m in bare.modules())
    assert memory_format(bare) is torch.contiguous_format


class Denoiser(BaseModel):
    """Learns images from themselves, without labels, as dense models may."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        output = self.layer(inputs)
        if mode == 'tensor':
            return output
        return dict(
            loss_pixels=[(output - inputs).square().mean()], log=output.mean()
        )


def test_a_model_without_labels_has_its_own_loss(batch):
    images, _ = batch
    model = Denoiser()
    bare_loop = BareLoop(model)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    bare_loop.prepare(model, wrapper, make_batch(images, [DataSample()] * 4))
    bare_loop.step()
    model.forward(images, mode='loss')['loss_pixels'][0].backward()
    for own, param in zip(bare_loop.student.parameters(), model.parameters()):
        torch.testing.assert_close(own, param - 0.1 * param.grad)
