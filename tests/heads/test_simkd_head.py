"""SimKD's head: what it computes, whose classifier it has, who takes it."""

import pytest
import torch
from conftest import ROOT, classifier
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import load_state_dict
from mmrazor.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.checkpoints.export import read_student, write_student
from mmrazor_lakd.heads import SimKDHead

BLOCK = Config.fromfile(ROOT / 'configs/_base_/distillers/simkd.py')


def student():
    """Config of a ResNet8 with the head of a teacher of 64 channels."""
    architecture = classifier(8)
    part = BLOCK.simkd_architecture.to_dict()
    part['head'].update(teacher_channels=64)
    part['head']['loss'].update(type='CrossEntropyLoss')
    return {
        **architecture,
        'neck': None,
        'head': {**architecture['head'], **part['head']},
    }


@pytest.fixture
def model(build):
    return build(BLOCK.simkd_distiller.to_dict(), student(), classifier(14))


def slow_conv(maps, weight):
    """A convolution of a map, with zeros around, by loops."""
    height, width = maps.shape[1:]
    reach = weight.shape[-1] // 2
    rows = torch.zeros(len(weight), height, width).double()
    for out, kernel in enumerate(weight):
        for y in range(height):
            for x in range(width):
                rows[out, y, x] = sum(
                    kernel[c, j + reach, i + reach] * maps[c, y + j, x + i]
                    for c in range(len(maps))
                    for j in range(-reach, reach + 1)
                    for i in range(-reach, reach + 1)
                    if 0 <= y + j < height and 0 <= x + i < width
                )
    return rows


@torch.no_grad()
def test_the_head_is_its_definition():
    """Three convolutions, each normalised and cut off, pooled, classified."""
    torch.manual_seed(0)
    head = SimKDHead(3, 2, teacher_channels=4, factor=2).double().eval()
    for module in head.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for value in (module.weight, module.bias, module.running_mean):
                torch.nn.init.normal_(value)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    images = torch.randn(2, 2, 3, 4).double()
    logits = []
    for maps in images:
        for start in (0, 3, 6):
            conv, norm = head.projector[start], head.projector[start + 1]
            maps = slow_conv(maps, conv.weight)
            maps = torch.stack(
                [
                    (one - mean) / (var + norm.eps) ** 0.5 * weight + bias
                    for one, mean, var, weight, bias in zip(
                        maps,
                        norm.running_mean,
                        norm.running_var,
                        norm.weight,
                        norm.bias,
                    )
                ]
            ).clamp(min=0)
        pooled = [one.sum() / one.numel() for one in maps]
        logits += [
            sum(w * p for w, p in zip(row, pooled)) + b
            for row, b in zip(head.fc.weight, head.fc.bias)
        ]
    expected = torch.stack(logits).view(2, 3)
    torch.testing.assert_close(
        head((images,)), expected, rtol=1e-9, atol=1e-12
    )


def test_the_classifier_is_the_teachers(model, batch):
    """When it is initialised or loaded, and it is not trained."""
    head, other = model.student.head.fc, model.teacher.head.fc
    assert torch.equal(head.weight, other.weight)
    weights = {k: v + 1 for k, v in model.teacher.state_dict().items()}
    model.teacher.load_state_dict(weights)
    assert torch.equal(head.weight, other.weight)
    before = head.weight.clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    losses = model(*batch, mode='loss')
    assert losses['student.loss'] == 0 and losses['distill.loss_simkd'] > 0
    sum(losses.values()).backward()
    optimizer.step()
    assert torch.equal(head.weight, before)
    assert model.student.head.projector[0].weight.grad.abs().sum() > 0
    model.double()
    assert head.weight.data_ptr() == other.weight.data_ptr()


def test_a_checkpoint_has_it_and_can_be_exported(model, batch, tmp_path):
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'a.pth')
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                _scope_='mmrazor',
                type='FrozenTeacherDistill',
                architecture=student(),
                teacher=classifier(14),
                distiller=BLOCK.simkd_distiller.to_dict(),
            ),
        )
    )
    alone = read_student(cfg, str(tmp_path / 'a.pth'))
    assert 'model.head: SimKDHead' in alone.needs
    model.eval()
    images = batch[0]
    with torch.no_grad():
        expected = model(images, mode='tensor')
        assert torch.equal(alone.model(images, mode='tensor'), expected)
        # the teacher's classifier on the projected map
        pooled = model.student.head.projector(
            model.student.extract_feat(images)[-1]
        ).mean((2, 3))
        torch.testing.assert_close(expected, model.teacher.head.fc(pooled))
    write_student(alone, tmp_path / 'student.pth')
    assert "type='SimKDHead'" in (tmp_path / 'student.py').read_text()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(), 'teacher_channels=None; write an integer of at least 1'),
        (dict(teacher_channels=4, factor=0), 'factor=0; write an integer'),
        (dict(teacher_channels=4, factor=5), 'no channel; write a smaller'),
    ],
)
def test_widths_are_needed(options, message):
    with pytest.raises(SettingError, match=message):
        SimKDHead(10, 64, **options)


def test_other_teachers_are_refused(build):
    distiller = BLOCK.simkd_distiller.to_dict()
    words = '10 classes and 64 channels; write the teacher'
    with pytest.raises(SettingError, match=words):
        architecture = student()
        architecture['head']['teacher_channels'] = 32
        build(distiller, architecture, classifier(14))
    two = [classifier(14), classifier(14)]
    distiller['teacher_recorders']['last']['source'] = 'teacher0.neck.gap'
    with pytest.raises(SettingError, match='choose a teacher with a Linear'):
        build(distiller, student(), two)


def test_a_plain_student_leaves_the_teacher_its_classifier(model, caplog):
    """A training may begin with one: the rest of its weights are taken."""
    plain = MODELS.build(classifier(8))
    weights = plain.state_dict()
    teacher = {k: v.clone() for k, v in model.teacher.state_dict().items()}
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    for state_dict in (weights, model.state_dict()):
        load_state_dict(model, state_dict, strict=False)
        for name, value in model.teacher.state_dict().items():
            assert torch.equal(value, teacher[name]), name
    for name, value in model.student.backbone.state_dict().items():
        assert torch.equal(value, weights[f'backbone.{name}']), name
    logger.removeHandler(caplog.handler)
    said = 'architecture.head.fc stays the classifier of the teacher'
    assert caplog.text.count(said) == 1


def test_without_a_teacher_the_checkpoints_is_loaded():
    """As for testing, which doesn't read the teacher's."""
    model = MODELS.build(
        dict(
            _scope_='mmrazor',
            type='FrozenTeacherDistill',
            architecture=student(),
            teacher=classifier(14),
            distiller=BLOCK.simkd_distiller.to_dict(),
        )
    )
    weights = {k: v + 1 for k, v in model.state_dict().items()}
    load_state_dict(model, weights)
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_a_random_classifier_is_refused(build, batch):
    """In another algorithm, and in a plain training of such a student."""
    plain = student()
    plain['head']['loss']['loss_weight'] = 1.0
    distiller = BLOCK.simkd_distiller.to_dict()
    for model in (
        build(distiller, student(), classifier(14), 'SingleTeacherDistill'),
        MODELS.build(plain),
    ):
        with pytest.raises(SettingError, match='random weights.*; write type'):
            model(*batch, mode='loss')
    four = {k: v[:4] for k, v in model.head.fc.state_dict().items()}
    for weights, words in ((four, 'random'), (model.head.fc.state_dict(), '')):
        held = {f'head.fc.{name}': value for name, value in weights.items()}
        load_state_dict(model, held)
        if words:
            with pytest.raises(SettingError, match=words):
                model(*batch, mode='loss')
    model(*batch, mode='loss')['loss'].backward()
    assert model.head.projector[0].weight.grad.abs().sum() > 0


def test_a_plain_training_that_learns_nothing_is_refused(batch):
    model = MODELS.build(student())
    model.load_state_dict(model.state_dict())
    with pytest.raises(SettingError, match='loss_weight=0.*write loss_weight'):
        model(*batch, mode='loss')
