"""The literature's pairs are there for every method, with its settings."""

import pytest
from test_configs import CONFIGS, distiller, resolve, written
from test_configs import PAIRS as WRITTEN_PAIRS

from mmrazor_lakd.backbones import NETWORKS

# Of each pair: DKD's beta (mdistiller), ReviewKD's weight (the authors'
# scripts; None: nothing published, 5 is what most pairs have).
SAME_FAMILY = {
    'resnet56_resnet20': (2.0, 0.6),
    'resnet110_resnet32': (2.0, 1.0),
    'resnet32x4_resnet8x4': (8.0, 5.0),
    'wrn-40-2_wrn-16-2': (6.0, 5.0),
    'wrn-40-2_wrn-40-1': (6.0, 5.0),
    'vgg13_vgg8': (6.0, None),
}
ACROSS = {
    'resnet32x4_shufflenetv1': (8.0, 5.0),
    'resnet32x4_shufflenetv2': (8.0, 8.0),
    'resnet50_mobilenetv2': (8.0, None),
    'vgg13_mobilenetv2': (6.0, None),
    'wrn-40-2_shufflenetv1': (8.0, 5.0),
}
IMAGENET = {
    'resnet34_resnet18': (0.5, 1.0),
    'resnet50_mobilenetv1': (2.0, 8.0),
}
PAIRS = {
    **{f'{pair}_1xb64_cifar100': SAME_FAMILY[pair] for pair in SAME_FAMILY},
    **{f'{pair}_1xb64_cifar100': ACROSS[pair] for pair in ACROSS},
    **{f'{pair}_1xb64_cifar10': SAME_FAMILY[pair] for pair in SAME_FAMILY},
    **{f'{pair}_8xb32_imagenet': IMAGENET[pair] for pair in IMAGENET},
}
# There before the others, at the batch size of the short budget.
PAIRS['resnet56_resnet20_1xb128_cifar10'] = PAIRS.pop(
    'resnet56_resnet20_1xb64_cifar10'
)
# Of standardized KD: T and weight, where they aren't 2 and 9; of DKD: T,
# weight and beta, where they aren't 2, 9 and DKD's own (the authors' logs).
STANDARDIZED_KD = {
    'vgg13_vgg8': (3.0, 9.0),
    'vgg13_mobilenetv2': (3.0, 9.0),
    'resnet50_mobilenetv2': (3.0, 1.0),
}
STANDARDIZED_DKD = {
    'resnet56_resnet20': (3.0, 18.0, 2.0),
    'resnet110_resnet32': (2.0, 15.0, 2.0),
    'wrn-40-2_wrn-16-2': (2.0, 12.0, 2.0),
    'wrn-40-2_wrn-40-1': (2.0, 12.0, 2.0),
    'vgg13_vgg8': (2.0, 15.0, 2.0),
    'resnet50_mobilenetv2': (2.0, 15.0, 2.0),
    'vgg13_mobilenetv2': (3.0, 9.0, 2.0),
}
# Of FCFD: T and the paths' weight, where they aren't 4 and 1; the pairs whose
# maps have the weight 0.02, not 5 (the authors' configs).
FCFD = {
    'wrn-40-2_wrn-16-2': (4.0, 0.2),
    'resnet32x4_shufflenetv1': (8.0, 1.0),
    'resnet32x4_shufflenetv2': (8.0, 1.0),
    'resnet50_mobilenetv2': (8.0, 1.0),
    'resnet34_resnet18': (1.0, 1.0),
    'resnet50_mobilenetv1': (1.0, 1.0),
}
NARROW = ('resnet56_resnet20', 'resnet110_resnet32', 'resnet34_resnet18')
# Of WTTM: gamma and beta (the paper's tables 8 to 10).
WTTM = {
    'resnet56_resnet20': (0.3, 1.5),
    'resnet110_resnet32': (0.1, 1.5),
    'resnet32x4_resnet8x4': (0.1, 3.0),
    'wrn-40-2_wrn-16-2': (0.1, 4.0),
    'wrn-40-2_wrn-40-1': (0.1, 3.0),
    'vgg13_vgg8': (0.1, 2.25),
    'resnet32x4_shufflenetv1': (0.2, 1.4),
    'resnet32x4_shufflenetv2': (0.4, 16.0),
    'resnet50_mobilenetv2': (0.2, 5.0),
    'vgg13_mobilenetv2': (0.2, 3.0),
    'wrn-40-2_shufflenetv1': (0.3, 3.0),
    'resnet34_resnet18': (0.8, 1.6),
    'resnet50_mobilenetv1': (0.7, 3.5),
}
# Of WKD-L: T, sharpening and weight; of WKD-F: weight of the means, grid,
# start of the decay and weight (the authors' files).
WKD_L = {
    'wrn-40-2_shufflenetv1': (6.0, 1.0, 200.0),
    'resnet34_resnet18': (2.0, 1.0, 30.0),
    'resnet50_mobilenetv1': (2.0, 2.0, 25.0),
}
WKD_F = {
    'wrn-40-2_shufflenetv1': (3.0, 4, 150 / 240, 0.3),
    'resnet34_resnet18': (2.0, 4, 0.0, 0.02),
    'resnet50_mobilenetv1': (2.0, 4, 0.3, 0.005),
}
# Of CAT-KD: beta, resolution and whether maps are normalized (its configs).
CATKD = {
    'resnet56_resnet20': (0.7, 2, False),
    'resnet110_resnet32': (1.8, 2, False),
    'resnet32x4_resnet8x4': (15.0, 2, False),
    'wrn-40-2_wrn-16-2': (12.0, 2, False),
    'wrn-40-2_wrn-40-1': (1.5, 2, False),
    'vgg13_vgg8': (4.5, 2, False),
    'resnet32x4_shufflenetv1': (600.0, 4, True),
    'resnet32x4_shufflenetv2': (600.0, 4, True),
    'resnet50_mobilenetv2': (40.0, 2, True),
    'vgg13_mobilenetv2': (15.0, 2, True),
    'wrn-40-2_shufflenetv1': (80.0, 4, True),
    'resnet34_resnet18': (0.5, 4, False),
    'resnet50_mobilenetv1': (10.0, 2, True),
}
# What NETWORKS calls them, where a config's name is another.
NAMES = dict(
    mobilenetv1='MobileNetV1',
    mobilenetv2='MobileNetV2',
    shufflenetv1='ShuffleV1',
    shufflenetv2='ShuffleV2',
    resnet50='ResNet50',
)


def split(pair):
    """Split a pair's name into teacher, student, batch and data."""
    return pair.split('_')


def sources(distiller):
    """Names of the modules that each of two roles gives its maps of."""
    return [
        [recorder.source for recorder in recorders.values()]
        for recorders in (
            distiller.teacher_recorders,
            distiller.student_recorders,
        )
    ]


def test_the_literatures_pairs_are_there():
    assert len(PAIRS) == 19 and set(PAIRS) <= set(WRITTEN_PAIRS)
    for method in ('crd', 'dkd', 'kd', 'lakd'):
        for pair in PAIRS:
            assert f'configs/{method}/{method}_{pair}.py' in CONFIGS


@pytest.mark.parametrize('pair', PAIRS)
def test_networks_are_the_literatures(pair):
    teacher, student, _, data = split(pair)
    model = resolve(written('kd', pair)).model
    classes = dict(cifar10=10, cifar100=100, imagenet=1000)[data]
    for name, cfg in ((teacher, model.teacher), (student, model.architecture)):
        name = NAMES.get(name, name.replace('-', '_'))
        if data == 'imagenet':
            name = name.replace('ResNet', 'resnet') + '_imagenet'
        assert cfg.backbone == NETWORKS[name].backbone
        assert cfg.head.num_classes == classes
    if data == 'imagenet':
        assert model.teacher_ckpt.startswith(
            f'https://download.openmmlab.com/mmclassification/v0/resnet/'
            f'{teacher}_8xb32_in1k_'
        )
    else:
        ckpt = f'work_dirs/{teacher}_{"_".join(split(pair)[2:])}/epoch_240.pth'
        assert model.teacher_ckpt == ckpt


@pytest.mark.parametrize('pair', PAIRS)
def test_plain_trainings_have_the_pairs_networks_and_schedule(pair):
    teacher, student, batch, data = split(pair)
    kd = resolve(written('kd', pair))
    model = kd.model
    for name, cfg in ((student, model.architecture), (teacher, model.teacher)):
        path = f'configs/teachers/{name}_{batch}_{data}.py'
        if path not in CONFIGS:  # mmpretrain's own is downloaded
            assert data == ('cifar10' if name == student else 'imagenet')
            continue
        if pair == 'resnet56_resnet20_1xb128_cifar10' and name == student:
            continue  # that name is the short training's
        plain = resolve(path)
        cfg.head.loss.loss_weight = 1.0
        assert plain.model == cfg
        for key in ('train_dataloader', 'data_preprocessor', 'train_cfg'):
            assert plain[key] == kd[key]
        if name == student:
            assert plain.optim_wrapper == kd.optim_wrapper


@pytest.mark.parametrize('pair', PAIRS)
def test_the_fields_recipe(pair):
    _, student, batch, data = split(pair)
    cfg = resolve(written('kd', pair))
    optimizer = cfg.optim_wrapper.optimizer
    scheduler = cfg.param_scheduler
    assert optimizer.type == 'SGD' and optimizer.momentum == 0.9
    assert scheduler.type == 'MultiStepLR' and scheduler.gamma == 0.1
    if data == 'imagenet':
        assert (optimizer.lr, optimizer.weight_decay) == (0.1, 1e-4)
        assert scheduler.milestones == [30, 60, 90]
        assert cfg.train_cfg.max_epochs == 100
        return
    light = student.startswith(('mobile', 'shuffle'))
    lr = (0.01 if light else 0.05) * int(batch[len('1xb') :]) / 64
    assert (optimizer.lr, optimizer.weight_decay) == (lr, 5e-4)
    assert scheduler.milestones == [150, 180, 210]
    assert cfg.train_cfg.max_epochs == 240


@pytest.mark.parametrize('pair', PAIRS)
def test_published_settings(pair):
    imagenet = pair.endswith('imagenet')
    beta, weight = PAIRS[pair]

    kd = distiller('kd', pair).distill_losses.loss_kd
    assert (kd.tau, kd.loss_weight) == ((1, 0.5) if imagenet else (4, 0.9))

    dkd = distiller('dkd', pair).distill_losses.loss_dkd
    assert dkd.epochs == (1 if imagenet else 20)
    assert (dkd.loss.alpha, dkd.loss.beta) == (1.0, beta)
    assert dkd.loss.tau == (1 if imagenet else 4)

    networks = '_'.join(split(pair)[:2])
    loss = distiller('kd_standardized', pair).distill_losses.loss_kd
    assert loss.standardize == 'code'
    assert (loss.tau, loss.loss_weight) == STANDARDIZED_KD.get(
        networks, (2.0, 9.0)
    )
    standardized = distiller('dkd_standardized', pair).distill_losses.loss_dkd
    assert standardized.epochs == dkd.epochs
    loss = standardized.loss
    assert (loss.standardize, loss.alpha) == ('code', 1.0)
    assert (loss.tau, loss.loss_weight, loss.beta) == STANDARDIZED_DKD.get(
        networks, (2.0, 9.0, beta)
    )

    rld = distiller('rld', pair).distill_losses.loss_rld
    assert rld.epochs == dkd.epochs
    assert (rld.loss.tau, rld.loss.alpha) == (dkd.loss.tau, 1.0)
    assert rld.loss.beta == (beta if imagenet else 8.0)

    scales = (1, 2)
    if networks in ACROSS or networks == 'resnet50_mobilenetv1':
        scales = (1, 2, 4)
    loss = distiller('kd_scales', pair).distill_losses.loss_kd
    assert (loss.tau, loss.loss_weight, loss.scales) == (4.0, 0.9, scales)
    decoupled = distiller('dkd_scales', pair).distill_losses.loss_dkd
    assert decoupled.epochs == dkd.epochs
    assert decoupled.loss.scales == scales
    for name in ('tau', 'alpha', 'beta'):
        assert decoupled.loss[name] == dkd.loss[name]

    loss = distiller('wkd_l', pair).distill_losses.loss_wkd
    assert (loss.tau, loss.sharpen, loss.loss_weight) == WKD_L.get(
        networks, (8.0, 1.0, 600.0)
    )
    assert loss.decay_from == (0.0 if imagenet else 150 / 240)
    loss = distiller('wkd_f', pair).distill_losses.loss_wkd
    settings = (loss.mean_weight, loss.grid, loss.decay_from, loss.loss_weight)
    assert settings == WKD_F.get(networks, (4.0, 1, 150 / 240, 0.08))

    wttm = distiller('wttm', pair).distill_losses.loss_wttm
    assert (wttm.gamma, wttm.loss_weight) == WTTM[networks]

    review = distiller('reviewkd', pair)
    loss = review.distill_losses.loss_review
    assert loss.epochs == (1 if imagenet else 20)
    assert loss.loss.loss_weight == (5.0 if weight is None else weight)
    widest = 256 if 'mobilenetv1' in pair else 512
    connector = review.connectors.review
    assert connector.get('max_mid_channels', 512) == widest

    crd = distiller('crd', pair).distill_losses.loss_crd
    assert crd.num_samples == (1281167 if imagenet else 50000)
    assert (crd.num_negatives, crd.loss_weight) == (16384, 0.8)
    assert (crd.temperature, crd.momentum) == (0.07, 0.5)

    rkd = distiller('rkd', pair).distill_losses
    assert rkd.loss_distance.loss_weight == 25.0
    assert rkd.loss_angle.loss_weight == 50.0

    sp = distiller('sp', pair).distill_losses.loss_sp
    pkt = distiller('pkt', pair).distill_losses.loss_pkt
    images = 2 if '1xb128' in pair else 1  # in units of the authors' 64
    assert sp.loss_weight == 3000.0 * images
    assert pkt.loss_weight == 30000.0 * images

    fcfd = distiller('fcfd', pair)
    loss = fcfd.feature_loss
    assert loss.epochs == (5 if imagenet else 20)
    tau, path_weight = FCFD.get(networks, (4.0, 1.0))
    assert loss.loss.loss_weight == (0.02 if networks in NARROW else 5.0)
    assert fcfd.logits_loss.tau == fcfd.distill_losses.loss_kd.tau == tau
    assert fcfd.logits_loss.loss_weight == path_weight
    assert (fcfd.extra_paths, fcfd.through) == (2, 'both')

    srrl = distiller('srrl', pair).distill_losses.loss_srrl
    assert (srrl.alpha, srrl.beta, srrl.loss_weight) == (1.0, 1.0, 1.0)
    cc = distiller('cc', pair).distill_losses.loss_cc
    assert (cc.mode, cc.loss_weight) == ('code', 0.02)

    cat = distiller('catkd', pair).distill_losses.loss_cat
    assert (cat.loss_weight, cat.resolution, cat.normalize) == CATKD[networks]

    model = resolve(written('simkd', pair)).model
    assert model.distiller.distill_losses.loss_simkd.loss_weight == 1.0
    head = model.architecture.head
    assert (head.loss.loss_weight, head.factor) == (0.0, 2)
    assert head.teacher_channels == model.teacher.head.in_channels

    model = resolve(written('norm', pair)).model
    loss = model.distiller.distill_losses.loss_norm
    begins = [0, 5, 15, 60, 80] if imagenet else [0, 10, 20, 180, 210]
    factors = [0.1, 0.5, 0.9 if imagenet else 1.0, 0.5, 0.1]
    assert [factor for _, factor in loss.steps] == factors
    assert [begin * (100 if imagenet else 240) for begin, _ in loss.steps] == (
        begins
    )
    head = model.architecture.head
    assert (loss.loss.loss_weight, head.copies, head.mode) == (1, 8, 'code')
    weights = dict(resnet34_resnet18=1.0, resnet50_mobilenetv1=0.125)
    assert head.loss.loss_weight == weights.get(networks, 0.1)
    assert head.teacher_channels == model.teacher.head.in_channels

    hint = distiller('fitnet', pair).distill_losses.loss_hint
    assert hint.loss_weight == 100.0

    for loss in distiller('at', pair).distill_losses.values():
        assert loss.loss_weight == 1000.0 and loss.get('p', 2) == 2

    for method, weight in (('vid', 1.0), ('nst', 50.0)):
        for loss in distiller(method, pair).distill_losses.values():
            assert loss.loss_weight == weight

    # mul_factor, 1000 by default, divides: the last stage's 1 is 1e-3
    ofd = list(distiller('ofd', pair).distill_losses.values())
    for number, loss in enumerate(reversed(ofd)):
        last = 0.1 if imagenet else 1.0
        assert loss.loss_weight == pytest.approx(last / 2**number)


@pytest.mark.parametrize('pair', PAIRS)
def test_maps_are_those_of_the_literature(pair):
    """`feats`, `preact_feats` and the pooled features of mdistiller."""
    teacher, student, _, data = split(pair)
    four = teacher in ('vgg13', 'resnet50', 'resnet34')
    stages = [f'backbone.layer{n}' for n in range(1, 5 if four else 4)]
    feats = {
        role: [stage + ('.sum' if 'wrn' in role else '') for stage in stages]
        for role in (teacher, student)
    }
    preact = [f'{stage}.preact' for stage in stages]
    both = [feats[teacher], feats[student]]
    assert sources(distiller('at', pair)) == both
    for method in ('vid', 'nst'):
        assert sources(distiller(method, pair)) == both
    assert sources(distiller('fitnet', pair)) == [[f[1]] for f in both]
    for method in ('sp', 'wkd_f'):
        assert sources(distiller(method, pair)) == [[f[-1]] for f in both]
    for method in ('srrl', 'catkd'):  # what is pooled
        for recorders in sources(distiller(method, pair)):
            assert recorders[0] == 'neck.gap'
    assert sources(distiller('simkd', pair)) == [
        ['neck.gap'],
        ['head.projector'],
    ]
    fcfd = distiller('fcfd', pair)
    for role, name in (('teacher', teacher), ('student', student)):
        before = name.startswith(('vgg', 'wrn', 'shufflenetv1')) or (
            name == 'mobilenetv2' and teacher == 'vgg13'  # the same there
        )
        maps = fcfd.maps if isinstance(fcfd.maps, str) else fcfd.maps[role]
        assert maps == ('preact' if before else 'output')
    assert sources(distiller('norm', pair)) == [
        ['neck.gap'],
        ['head.expand'],
    ]
    assert sources(distiller('ofd', pair)) == [preact, preact]
    first = preact if data == 'imagenet' else feats[student]
    review = distiller('reviewkd', pair)
    mapping = review.loss_forward_mappings.loss_review
    for key, recorders, maps in (
        ('t_features', review.teacher_recorders, preact),
        ('s_features', review.student_recorders, first),
    ):
        names = [recorders[name].source for name in mapping[key].recorder]
        assert names == [*maps, 'neck.gap']
    # LAKD: every stage but the last, from the literature's first or, between
    # VGGs, from the one before it; the first alone is cut off
    cuts = preact[:-1]
    if pair.startswith('vgg13_vgg8'):
        cuts = ['backbone.layer0.preact', *cuts]
    modules = distiller('lakd', pair).local_modules
    assert [module.pop('isolate', True) for module in modules] == [
        True,
        *[False] * (len(cuts) - 1),
    ]
    assert modules == [dict(student=name, teacher=name) for name in cuts]
