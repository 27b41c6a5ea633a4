"""Several teachers: their mean logits, their maps, and their memory."""

import copy

import pytest
import torch
import torch.nn.functional as F
from conftest import LOGITS_KD, classifier, lakd, total
from mmengine.runner import save_checkpoint
from mmpretrain.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.benchmark.cost.memory_trace import trace_memory

MEAN_KD = copy.deepcopy(LOGITS_KD)
MEAN_KD['teacher_recorders']['logits']['source'] = 'head'
NAMED = [
    dict(student='backbone.layer1', teacher='teacher1.backbone.layer1'),
    dict(student='backbone.layer2', teacher='teacher0.backbone.layer2'),
]


@pytest.fixture
def checkpoints(tmp_path):
    """Of a ResNet14 and a ResNet20."""
    paths = []
    for depth in (14, 20):
        torch.manual_seed(depth)
        model = MODELS.build(classifier(depth))
        model.init_weights()
        paths.append(str(tmp_path / f'{depth}.pth'))
        save_checkpoint(dict(state_dict=model.state_dict()), paths[-1])
    return paths


def teachers():
    return [classifier(14), classifier(20)]


@pytest.mark.parametrize('weights', [None, [3.0, 1.0]])
def test_logits_are_averaged(build, batch, checkpoints, weights):
    model = build(
        lakd([], **MEAN_KD),
        teacher=teachers(),
        teacher_ckpt=checkpoints,
        teacher_weights=weights,
    ).double()
    images, samples = batch[0].double(), batch[1]
    alone = []
    for cfg, path in zip(teachers(), checkpoints):
        network = MODELS.build(cfg).eval().double()
        network.load_state_dict(torch.load(path)['state_dict'])
        alone.append(network(images, mode='tensor'))
    share = 0.5 if weights is None else 0.75
    expected = share * alone[0] + (1 - share) * alone[1]
    losses = model(images, samples, mode='loss')
    own = model.student(images, mode='tensor')
    value = 16 * F.kl_div(
        (own / 4).log_softmax(1),
        (expected / 4).softmax(1),
        reduction='batchmean',
    )
    assert losses['distill.loss_kd'].item() == pytest.approx(
        value.item(), rel=1e-9
    )
    total(losses).backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    # Neither saved, nor passed to an optimizer.
    assert not any('teacher' in name for name in model.state_dict())


def test_each_boundary_learns_from_the_teacher_that_it_names(
    build, batch, checkpoints
):
    """The values are those of the two teachers alone."""
    model = build(lakd(NAMED), teacher=teachers(), teacher_ckpt=checkpoints)
    student = copy.deepcopy(model.student.state_dict())
    both = model(*batch, mode='loss')
    for number, entry in ((1, NAMED[0]), (0, NAMED[1])):
        entries = [
            dict(e, teacher=e['teacher'].split('.', 1)[1]) for e in NAMED
        ]
        alone = build(
            lakd(entries),
            teacher=teachers()[number],
            teacher_ckpt=checkpoints[number],
        )
        alone.student.load_state_dict(student)
        key = f'distill.module{entry["teacher"][-1]}.feature'
        value = alone(*batch, mode='loss')[key].item()
        assert both[key].item() == pytest.approx(value, rel=1e-4)


def test_the_memory_is_that_of_one_teacher(build, batch, checkpoints):
    """Beside the maps that are kept for the boundaries."""
    images = torch.randn(16, 3, 32, 32)

    def peak(teacher, source):
        options = copy.deepcopy(MEAN_KD)
        options['teacher_recorders']['logits']['source'] = source
        model = build(lakd([], **options), teacher=teacher)
        samples = batch[1] * 4
        model(images, samples, mode='loss')  # fuses the teachers
        return trace_memory(
            lambda: model._teacher_pass(images, samples), 'cpu'
        ).peak

    one = peak(classifier(20), 'head')
    three = peak([classifier(20)] * 3, 'head')
    assert three < 1.05 * one


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(teacher_ckpt='a.pth'), "teacher_ckpt='a.pth' for 2 teachers"),
        (dict(teacher_ckpt=['a.pth']), "teacher_ckpt=.'a.pth'. for 2"),
        (dict(teacher_ckpt=[None, 'b.pth']), r"teacher_ckpt\[1\]='b.pth' doe"),
        (dict(teacher_weights=[1.0]), 'teacher_weights has 1 entries for 2'),
        (dict(teacher_weights=[1.0, 0.0]), 'teacher_weights'),
        (dict(teacher_mode='loss'), "several teachers and teacher_mode='loss"),
        (
            dict(teacher=[classifier(14), classifier(14, num_classes=5)]),
            r'logits .N, K. of the same classes, but they give .*\(1, 5\)',
        ),
        (
            dict(teacher=classifier(14), teacher_weights=[1.0]),
            'and one teacher; leave them out',
        ),
        (
            dict(teacher=classifier(14), teacher_ckpt=['a.pth', 'b.pth']),
            'and one teacher; write one checkpoint',
        ),
        (
            dict(
                distiller=lakd(
                    [
                        dict(NAMED[1], student='backbone.layer1'),
                        dict(NAMED[1], teacher='teacher0.backbone.layer1'),
                    ]
                )
            ),
            "'teacher0.backbone.layer1' runs before 'teacher0.backbone.layer2",
        ),
        (
            dict(distiller=lakd(dict(maps='output'))),
            "local_modules chooses maps of one teacher.*'teacher0.backbone",
        ),
        (
            dict(distiller=dict(type='LAKDDistiller', num_modules=2)),
            "num_modules chooses maps of one teacher.*'teacher0.backbone",
        ),
    ],
)  # fmt: skip
def test_refusals(build, kwargs, message):
    options = dict(distiller=lakd([], **MEAN_KD), teacher=teachers())
    with pytest.raises(SettingError, match=message):
        build(**{**options, **kwargs})


def test_predictions_of_the_ensemble(build, batch):
    model = build(
        lakd([], **MEAN_KD), teacher=teachers(), predict_teacher=True
    ).eval()
    found = model(*batch, mode='predict')
    logits = [
        network(batch[0], mode='tensor') for network in model.teacher.teachers
    ]
    expected = (sum(logits) / 2).softmax(1)
    scores = torch.stack([sample.teacher_score for sample in found])
    assert torch.allclose(scores, expected, atol=1e-6)
