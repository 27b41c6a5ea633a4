"""LAKD with maps of tokens, as student and as teacher."""

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmpretrain.structures import DataSample
from mmrazor.registry import MODELS
from networks_to_cut import resnet, swin, vit

from mmrazor_lakd import SettingError

SIZE = 64


def train_mode(student, teacher, **distiller):
    model = MODELS.build(
        dict(
            type='FrozenTeacherDistill',
            _scope_='mmrazor',
            architecture=student,
            teacher=teacher,
            data_preprocessor=dict(
                type='mmpretrain.ClsDataPreprocessor', num_classes=10
            ),
            distiller=dict(type='LAKDDistiller', input_size=SIZE, **distiller),
        )
    )
    return model.train()


def gradients(model, early, size=SIZE):
    """The gradients of one step, by parameter, and what was logged."""
    torch.manual_seed(0)
    model.zero_grad()
    model.distiller.early_backward = early
    images = torch.randn(3, 3, size, size)
    samples = [DataSample().set_gt_label(label) for label in range(3)]
    losses = model(images, samples, mode='loss')
    total, values = model.parse_losses(losses)
    total.backward()
    return {name: p.grad for name, p in model.named_parameters()}, values


@pytest.mark.parametrize(
    'student, teacher',
    [(vit, vit), (vit, resnet), (resnet, vit), (swin, resnet), (resnet, swin),
     (swin, vit)],
)  # fmt: skip
def test_early_gradients_are_those_of_the_sum(student, teacher):
    """Through class tokens, grids of unequal sizes and unequal widths."""
    kwargs = [
        dict(depth=20) if f is resnet else {} for f in (student, teacher)
    ]
    model = train_mode(
        student(**kwargs[0]), teacher(**kwargs[1]), num_modules=3
    )
    early, values = gradients(model, True)
    summed, _ = gradients(model, False)
    assert len(values) > 5
    for name, grad in early.items():
        assert grad is not None, name
        assert torch.equal(grad, summed[name]), name


@pytest.mark.parametrize(
    'build, end', [(vit, 'backbone.layers.6'), (swin, 'backbone.stages.1')]
)
def test_values_are_those_of_the_definition(build, end):
    """By hand: a block's tokens, or a stage's tokens with their size."""
    student, teacher = build(), build()
    outputs = []
    for model in (student, teacher):
        dict(model.named_modules())[end].register_forward_hook(
            lambda module, inputs, output: outputs.append(output)
        )
    model = train_mode(
        student,
        teacher,
        local_modules=[dict(student=end, teacher=end)],
        feature_loss=dict(type='LocalFeatureLoss'),
        attention_loss=None,
    )
    outputs.clear()
    _, values = gradients(model, True)
    if isinstance(outputs[0], tuple):
        outputs = [tokens for tokens, size in outputs]
    # The teacher runs first; its class token is the first of 65.
    taught, own = [
        tokens.double()[:, tokens.shape[1] % 4 :] for tokens in outputs[-2:]
    ]
    expected = (own - taught).square().mean() / (
        taught.var(unbiased=False) + 1e-6
    )
    assert values['distill.module1.feature'] == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_gradients_stop_at_the_cut():
    end = 'backbone.layers.6'
    model = train_mode(
        vit(), vit(), local_modules=[dict(student=end, teacher=end)]
    )
    with_labels, _ = gradients(model, True)
    model.student.head.loss = lambda *args, **kwargs: dict(
        loss=model.student.head.layers.head.weight.sum() * 0
    )
    without, _ = gradients(model, True)
    for name in (
        'cls_token',
        'patch_embed.projection.weight',
        'layers.6.ln1.weight',
    ):
        name = f'architecture.backbone.{name}'
        assert torch.equal(with_labels[name], without[name])
    name = 'architecture.backbone.layers.7.ln1.weight'
    assert with_labels[name].abs().sum() > 0 and without[name] is None


def test_images_of_another_size_than_the_dry_run():
    """The grid is that of each batch."""
    model = train_mode(swin(), resnet(20), num_modules=2)
    gradients(model, True, size=96)
    gradients(model, True, size=SIZE)


def test_tokens_are_not_mixed():
    with pytest.raises(SettingError, match="feed mixes maps .*'student'"):
        train_mode(vit(), vit(), num_modules=2, feed='teacher')


def test_tokens_that_form_no_map():
    """As those of a masked autoencoder."""
    student = vit()
    end = 'backbone.layers.6'
    model = train_mode(
        student, vit(), local_modules=[dict(student=end, teacher=end)]
    )
    student.backbone.layers[3].register_forward_pre_hook(
        lambda module, inputs: (inputs[0][:, :21],)
    )
    with pytest.raises(
        SettingError, match="3, 21, 192.* don't cover images of"
    ):
        gradients(model, True)


@pytest.mark.parametrize('build', [vit, swin])
def test_depths_for_layerwise_learning_rates(build):
    """Those of the student; connectors count as the head."""
    student = build()
    model = train_mode(student, resnet(20), num_modules=2)
    for name, _ in student.named_parameters():
        assert model.get_layer_depth(
            f'architecture.{name}'
        ) == student.get_layer_depth(name)
    names = [n for n, _ in model.named_parameters() if 'distiller' in n]
    count = student.get_layer_depth('head.x')[1]
    assert names and {model.get_layer_depth(name) for name in names} == {
        (count - 1, count)
    }


def test_a_student_without_depths():
    model = train_mode(resnet(20), vit(), num_modules=2)
    with pytest.raises(SettingError, match='layer_decay_rate needs'):
        model.get_layer_depth('architecture.backbone.conv1.weight')


def test_layerwise_learning_rates_are_those_of_the_student_alone():
    """With the constructor of mmpretrain's BEiT, MAE and Swin recipes."""
    cfg = dict(
        constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor',
        optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
        paramwise_cfg=dict(
            layer_decay_rate=0.65, norm_decay_mult=0.0, flat_decay_mult=0.0
        ),
    )
    student = vit()
    model = train_mode(student, resnet(20), num_modules=3)

    def rates(network, prefix):
        """Learning rate and weight decay, by the parameter's name."""
        wrapper = build_optim_wrapper(network, copy.deepcopy(cfg))
        names = {id(p): name for name, p in network.named_parameters()}
        return {
            names[id(p)].replace(prefix, ''): (g['lr'], g['weight_decay'])
            for g in wrapper.optimizer.param_groups
            for p in g['params']
        }

    alone, taught = rates(student, ''), rates(model, 'architecture.')
    connectors = {name: taught.pop(name) for name in set(taught) - set(alone)}
    assert taught == alone
    assert len({rate for rate, _ in alone.values()}) == 14
    # Learned connectors, as a head, have the full rate.
    assert {rate for rate, _ in connectors.values()} == {1e-3}


def test_soft_labels_of_mixup_and_cutmix():
    """As in DeiT's recipe: labels (N, K) from the data preprocessor."""
    student = vit()
    model = train_mode(student, vit(), num_modules=2)
    model.data_preprocessor = MODELS.build(
        dict(
            type='mmpretrain.ClsDataPreprocessor',
            num_classes=10,
            batch_augments=dict(
                augments=[
                    dict(type='mmpretrain.Mixup', alpha=0.8),
                    dict(type='mmpretrain.CutMix', alpha=1.0),
                ]
            ),
        )
    )
    images = list(torch.randint(256, (4, 3, SIZE, SIZE), dtype=torch.uint8))
    samples = [DataSample().set_gt_label(label) for label in range(4)]
    data = model.data_preprocessor(
        dict(inputs=images, data_samples=samples), training=True
    )
    assert data['data_samples'][0].gt_score.shape == (10,)
    total, values = model.parse_losses(model(**data, mode='loss'))
    assert torch.isfinite(total) and 'student.loss' in values
