"""NORM's head: what it computes, and the classifier that it is merged into."""

import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT, classifier
from mmengine.config import Config
from mmpretrain.structures import DataSample

from mmrazor_lakd import SettingError
from mmrazor_lakd.checkpoints.export import read_student
from mmrazor_lakd.heads import NORMHead

BLOCK = Config.fromfile(ROOT / 'configs/_base_/distillers/norm.py')


def trained(head, seed=0):
    """Give a head the weights and statistics that a training may leave."""
    torch.manual_seed(seed)
    for value in head.state_dict().values():
        if value.is_floating_point():
            value.normal_(0, 0.3)
    for module in (head.expand[1], head.reduce[1]):
        module.running_var.uniform_(0.5, 2.0)
    return head.eval()


def logits_of(head, maps):
    """The logits of a map, position by position, in float64."""
    total = 0.0
    for position in maps.flatten(1).t().double():
        vector = position
        for conv, norm in (head.expand, head.reduce):
            rows = conv.weight.double().flatten(1)
            vector = torch.stack([sum(w * v for w, v in zip(row, vector))
                                  for row in rows])  # fmt: skip
            vector = (vector - norm.running_mean) * norm.weight
            vector = vector / (norm.running_var + norm.eps) ** 0.5 + norm.bias
        total = total + position + vector
    pooled = total / maps[0].numel()
    return head.fc.weight @ pooled + head.fc.bias


@torch.no_grad()
def test_the_head_is_its_definition():
    head = trained(NORMHead(3, 2, teacher_channels=4, copies=2).double())
    maps = torch.randn(2, 2, 3, 4).double()
    expected = torch.stack([logits_of(head, one) for one in maps])
    torch.testing.assert_close(head((maps,)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('seed', range(3))
def test_the_merge_is_exact_in_float64(seed):
    head = NORMHead(10, 16, teacher_channels=8, copies=8).double()
    trained(head, seed)
    maps = torch.randn(4, 16, 8, 8).double()
    with torch.no_grad():
        expected = head((maps,))
        plain = F.linear(maps.mean((2, 3)), *head.merged())
        alone = head.fc(maps.mean((2, 3)))
    assert (plain - expected).abs().max() < 1e-12 * expected.abs().max()
    assert (alone - expected).abs().max() > 0.1 * expected.abs().max()


def test_the_merge_by_hand():
    # E = (2, 3) with mean (0, 1), R = (1, -1): R (E x + e) = 2 x - (3 x - 1)
    # = 1 - x, so that x + R(E(x)) = 1, and z = 5 * 1 + 7 for any x
    head = NORMHead(1, 1, teacher_channels=1, copies=2).double().eval()
    for module in (head.expand[1], head.reduce[1]):
        module.eps = 0.0
    with torch.no_grad():
        head.expand[0].weight.copy_(torch.tensor([2.0, 3.0]).view(2, 1, 1, 1))
        head.expand[1].running_mean.copy_(torch.tensor([0.0, 1.0]))
        head.reduce[0].weight.copy_(torch.tensor([1.0, -1.0]).view(1, 2, 1, 1))
        head.fc.weight.fill_(5.0)
        head.fc.bias.fill_(7.0)
    weight, bias = head.merged()
    assert (weight.item(), bias.item()) == (0.0, 12.0)
    assert head((torch.rand(1, 1, 2, 2).double(),)).item() == pytest.approx(12)


def test_the_loss_of_the_paper_and_of_the_code():
    samples = [DataSample().set_gt_label(0)]
    maps = (torch.randn(1, 4, 2, 2),)
    for mode in ('paper', 'code'):
        head = NORMHead(2, 4, teacher_channels=4, mode=mode).eval()
        with torch.no_grad():  # logits 3 and 1
            head.fc.weight.zero_()
            head.fc.bias.copy_(torch.tensor([3.0, 1.0]))
        loss = head.loss(maps, samples)['loss'].item()
        # ln(1 + e^-2) = 0.126928; normalised, +-1: ln(1 + e^-5) = 0.006715
        expected = dict(paper=0.126928, code=0.006715)[mode]
        assert loss == pytest.approx(expected, abs=1e-5)
        assert head(maps).tolist() == [[3.0, 1.0]]


def test_the_exported_student_is_the_plain_network(build, batch, tmp_path):
    architecture = classifier(8)
    part = BLOCK.norm_architecture.to_dict()
    part['head'].update(teacher_channels=64)
    part['head']['loss'].update(type='CrossEntropyLoss')
    architecture = {
        **architecture,
        'neck': None,
        'head': {**architecture['head'], **part['head']},
    }
    distiller = BLOCK.norm_distiller.to_dict()
    model = build(distiller, architecture, classifier(14))
    model(*batch, mode='loss')['distill.loss_norm'].backward()
    trained(model.student.head)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'a.pth')
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                _scope_='mmrazor',
                type='FrozenTeacherDistill',
                architecture=architecture,
                teacher=classifier(14),
                distiller=distiller,
            ),
        )
    )
    student = read_student(cfg, str(tmp_path / 'a.pth'))
    assert student.needs == ['model.backbone: CIFARResNet']
    plain = classifier(8)
    assert list(student.model.state_dict()) == [
        name
        for name in model.student.state_dict()
        if not name.startswith(('head.expand', 'head.reduce'))
    ]
    assert student.config.model.neck == plain['neck']
    assert student.config.model.head.type == 'LinearClsHead'
    with torch.no_grad():
        expected = model.eval()(batch[0], mode='tensor')
        found = student.model(batch[0], mode='tensor')
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_settings():
    for options, message in (
        (dict(), 'teacher_channels=None; write an integer of at least 1'),
        (dict(teacher_channels=4, copies=0.5), 'copies=0.5; write an integer'),
        (dict(teacher_channels=4, mode='both'), "one of 'paper', 'code'"),
    ):
        with pytest.raises(SettingError, match=message):
            NORMHead(10, 64, **options)
