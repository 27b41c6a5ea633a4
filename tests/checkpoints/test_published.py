"""Published checkpoints give our networks the logits of theirs."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from published_names import made_checkpoint, made_image

from mmrazor_lakd import SettingError
from mmrazor_lakd.backbones import NETWORKS, build_network
from mmrazor_lakd.checkpoints.published import convert_published

# The first three logits of RepDistiller's definitions (MobileNetV1 and the
# ImageNet ResNets: mdistiller's) with the weights and the image of
# published_names.py.
LOGITS = {
    'resnet8': (-0.06072941, -0.1058812, -0.2188719),
    'resnet14': (-0.04548249, -0.06856583, -0.1255563),
    'resnet20': (0.003606021, -0.1210829, -0.204744),
    'resnet32': (0.1238688, 0.1072913, -0.3231428),
    'resnet44': (0.1655287, -0.1125809, -0.4115721),
    'resnet56': (0.2925258, -0.211686, -0.3731222),
    'resnet110': (0.9633287, -1.157863, -0.9047386),
    'resnet8x4': (-0.1968195, 0.03723376, 0.006679723),
    'resnet32x4': (-0.2283256, 0.07526262, 0.04819616),
    'wrn_16_1': (-0.1234139, -0.06025024, 0.02337929),
    'wrn_16_2': (-0.06277493, 0.007820789, 0.02921207),
    'wrn_40_1': (-0.04604279, -0.1044481, 0.02190489),
    'wrn_40_2': (-0.1477218, 0.03320854, 0.02618831),
    'vgg8': (0.05038317, 0.03764781, 0.1316603),
    'vgg11': (0.01369315, -0.08055334, 0.08624831),
    'vgg13': (0.01432728, -0.08041644, 0.08517193),
    'vgg16': (0.08244074, -0.0293794, 0.1174499),
    'vgg19': (-0.07050705, -0.03038148, 0.04854931),
    'MobileNetV2': (-0.03003039, -0.1197079, -0.124084),
    'ShuffleV1': (0.116395, 0.0133397, -0.324125),
    'ShuffleV2': (0.1495324, -0.1118591, -0.1171326),
    'ResNet18': (0.09355296, 0.107028, 0.04649603),
    'ResNet50': (-0.007246926, -0.0508805, -0.04810597),
    'resnet18_imagenet': (-0.07307871, 0.1273503, 0.1143489),
    'resnet34_imagenet': (-0.1987672, 0.1328084, 0.1492257),
    'resnet50_imagenet': (0.09952124, 0.3476686, 0.2378801),
    'MobileNetV1_imagenet': (-0.1162191, 0.01403844, 0.1389474),
}


def load(converted):
    model = build_network(converted.network, converted.num_classes).eval()
    model.load_state_dict(converted.state_dict, strict=True)
    return model


@pytest.mark.parametrize('network', LOGITS)
def test_logits_of_the_original_code(network):
    converted = convert_published({'model': made_checkpoint(network)}, 'file')
    assert converted.network == network
    assert converted.num_classes == NETWORKS[network].num_classes
    with torch.no_grad():
        logits = load(converted)(made_image(network), mode='tensor')[0]
    expected = torch.tensor(LOGITS[network])
    scale = max(1.0, logits.abs().max().item())
    assert (logits[:3] - expected).abs().max() < 1e-5 * scale


def test_every_network_is_tested():
    assert set(LOGITS) == set(NETWORKS)


@pytest.mark.parametrize('depth', [18, 34, 50])
def test_torchvision(depth):
    torch.manual_seed(depth)
    source = getattr(torchvision.models, f'resnet{depth}')(weights=None)
    for module in source.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.3, 0.9)
    source.eval()
    converted = convert_published(source.state_dict(), 'file')
    assert converted.network == f'resnet{depth}_imagenet'
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = source(images)
        logits = load(converted)(images, mode='tensor')
    scale = max(1.0, expected.abs().max().item())
    assert (logits - expected).abs().max() < 1e-5 * scale


def padded_resnet(weights, image):
    """He et al.'s network with option A, by its definition."""

    def conv(x, name, stride=1):
        return F.conv2d(x, weights[f'{name}.weight'], None, stride, 1)

    def norm(x, name):
        shift, scale, mean, var = (
            weights[f'{name}.{end}'].view(-1, 1, 1)
            for end in ('bias', 'weight', 'running_mean', 'running_var')
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    x = norm(conv(image, 'conv1'), 'bn1').relu()
    for stage in (1, 2, 3):
        blocks = {n.split('.')[1] for n in weights if f'layer{stage}.' in n}
        for index in range(len(blocks)):
            name = f'layer{stage}.{index}'
            stride = 2 if stage > 1 and index == 0 else 1
            out = norm(conv(x, f'{name}.conv1', stride), f'{name}.bn1').relu()
            out = norm(conv(out, f'{name}.conv2'), f'{name}.bn2')
            if stride == 2:
                small = x[:, :, ::2, ::2]
                x = torch.zeros_like(out)
                quarter = len(x[0]) // 4
                x[:, quarter:-quarter] = small
            x = (out + x).relu()
    features = x.mean((2, 3))
    return features @ weights['linear.weight'].T + weights['linear.bias']


@pytest.mark.parametrize('depth', [8, 20, 56])
def test_shortcuts_without_parameters(depth):
    """pytorch_resnet_cifar10's ResNets have them; ours compute the same."""
    weights = {
        name.replace('fc.', 'linear.'): value
        for name, value in made_checkpoint(f'resnet{depth}').items()
        if 'downsample' not in name
    }
    weights['linear.weight'] = weights['linear.weight'][:10]
    weights['linear.bias'] = weights['linear.bias'][:10]
    prefixed = {f'module.{name}': weights[name] for name in weights}
    converted = convert_published(
        {'state_dict': prefixed, 'best_prec1': 90.0}, 'file'
    )
    assert converted[:2] == (f'resnet{depth}', 10)
    exact = {name: value.double() for name, value in weights.items()}
    image = made_image('resnet8')
    with torch.no_grad():
        expected = padded_resnet(exact, image.double())
        logits = load(converted).double()(image.double(), mode='tensor')
    scale = max(1.0, expected.abs().max().item())
    assert (logits - expected).abs().max() < 1e-6 * scale


def test_what_is_around_the_weights():
    """Prefixes, wrappers, a whole training, and files of PyTorch 0.4."""
    plain = made_checkpoint('resnet8')
    expected = convert_published(plain, 'file')
    wrapped = {f'module.{name}': value for name, value in plain.items()}
    training = {f'module.student.{name}': plain[name] for name in plain}
    training['module.abfs.0.conv1.0.weight'] = torch.zeros(1)
    old = {
        name: value
        for name, value in plain.items()
        if not name.endswith('num_batches_tracked')
    }
    for checkpoint in (
        {'model': wrapped, 'epoch': 240, 'accuracy': torch.tensor(72.3)},
        {'state_dict': wrapped, 'arch': 'resnet8'},
        training,
        old,
    ):
        converted = convert_published(checkpoint, 'file')
        assert converted[:2] == expected[:2]
        assert list(converted.state_dict) == list(expected.state_dict)
        for name, value in expected.state_dict.items():
            if checkpoint is old and name.endswith('num_batches_tracked'):
                value = torch.tensor(0)
            assert torch.equal(converted.state_dict[name], value)


def test_the_number_of_classes_is_read_off():
    weights = made_checkpoint('ShuffleV2')
    weights['linear.weight'] = weights['linear.weight'][:7]
    weights['linear.bias'] = weights['linear.bias'][:7]
    converted = convert_published(weights, 'file')
    assert converted[:2] == ('ShuffleV2', 7)
    load(converted)


def damaged(network, drop=(), **others):
    weights = made_checkpoint(network)
    for name in drop:
        del weights[name]
    weights.update(
        {name.replace('__', '.'): value for name, value in others.items()}
    )
    return weights


@pytest.mark.parametrize(
    'checkpoint, message',
    [
        (
            damaged('vgg8', drop=['block1.1.bias', 'classifier.weight']),
            "'a.pth' comes nearest to vgg8, but does not fit: 2 missing "
            r'\(backbone.layer1.0.bn.bias, head.fc.weight\)',
        ),
        (
            damaged('wrn_16_2', block2__layer__0__gate=torch.zeros(1)),
            r'nearest to wrn_16_2, .*: 1 unexpected '
            r'\(block2.layer.0.gate\); give a checkpoint of wrn_16_1, ',
        ),
        (
            damaged('resnet8', drop=['layer2.0.downsample.0.weight']),
            r'nearest to resnet8, .*: 1 missing '
            r'\(backbone.layer2.0.downsample.0.weight\)',
        ),
        (
            dict.fromkeys(('layer1.0.x', 'linear.weight'), torch.ones(10, 1)),
            r'nearest to resnet8, ',
        ),
        (
            damaged('MobileNetV2', conv1__0__weight=torch.zeros(16, 1, 3, 3)),
            r'MobileNetV2, .*: 1 of another shape \(conv1.0.weight '
            r'\(16, 1, 3, 3\) for \(16, 3, 3, 3\)\)',
        ),
        (
            torchvision.models.mobilenet_v2(weights=None).state_dict(),
            'other names than the networks known here .*features.0.0.weight',
        ),
        (
            damaged('resnet8', linear__bias=torch.zeros(100)),
            'has both fc.bias and linear.bias',
        ),
        ({'opt': 1, 'epoch': 2}, 'no state dict, but the keys opt, epoch; '),
        ({'model': {}}, 'no state dict'),
        (torch.zeros(3), 'no state dict, but Tensor'),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else 'checkpoint',
)
def test_what_does_not_fit_is_refused(checkpoint, message):
    with pytest.raises(SettingError, match=message):
        convert_published(checkpoint, 'a.pth')
