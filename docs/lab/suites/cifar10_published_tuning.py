# Where LAKD should cut, and what its last module should learn from, with a
# good teacher: the pair, the teacher and the budget of
# cifar10_published_teacher, and cifar10_ablation's split: the last 5,000
# training images are looked at, the test set never.
_base_ = ['../../../configs/benchmark/cifar10_published_teacher.py']

title = 'LAKD and a good teacher: CIFAR-10, ResNet56 -> ResNet20'
seeds = [0, 1, 2]
options = {
    'train_dataloader.dataset.indices': 45000,
    'val_dataloader.dataset.split': 'train',
    'val_dataloader.dataset.indices': -5000,
}

d = 'model.distiller'
dkd = f'{d}.distill_losses.loss_dkd.loss'
# Sun et al.'s settings for DKD
standardized = {
    f'{dkd}.standardize': True,
    f'{dkd}.tau': 2.0,
    f'{dkd}.loss_weight': 9.0,
}
# what the head learns from in place of DKD, by the names of its logits
in_place = {}
for name, suffix, loss in (
    ('loss_kd', 'preds', dict(type='LogitsKDLoss', tau=1.0, loss_weight=1.0)),
    ('loss_dist', 'logits', dict(type='StrongerTeacherLoss', loss_weight=2.0)),
):
    changes = {f'{dkd}.loss_weight': 0.0}
    for key, value in loss.items():
        changes[f'{d}.distill_losses.{name}.{key}'] = value
    for side in ('S', 'T'):
        mapping = f'{d}.loss_forward_mappings.{name}.{suffix}_{side}'
        changes[f'{mapping}.recorder'] = 'logits'
        changes[f'{mapping}.from_student'] = side == 'S'
    in_place[name] = changes
rows = {
    'cuts behind stages 1 and 2': {f'{d}.local_modules.1.isolate': True},
    'no cuts': {f'{d}.isolate': False},
    'labels alone': {f'{dkd}.loss_weight': 0.0},
    'labels and KD, T = 1': in_place['loss_kd'],
    'labels and DIST': in_place['loss_dist'],
    'labels and DKD x 0.25': {f'{dkd}.loss_weight': 0.25},
    'labels and DKD, T = 1': {f'{dkd}.tau': 1.0},
    'labels and standardised DKD': standardized,
}
# the last module taught, too: not the map before the pooling, but behind it
pooled = {
    f'{d}.distill_losses.loss_gap.type': 'LocalFeatureLoss',
    f'{d}.distill_losses.loss_gap.loss_weight': 10.0,
}
for side in ('student', 'teacher'):
    pooled[f'{d}.{side}_recorders.gap.type'] = 'ModuleOutputs'
    pooled[f'{d}.{side}_recorders.gap.source'] = 'neck.gap'
    mapping = f'{d}.loss_forward_mappings.loss_gap.{side[0]}_feature'
    pooled[f'{mapping}.recorder'] = 'gap'
    pooled[f'{mapping}.from_student'] = side == 'student'
# a learned layer, so that the student's own features may be others
layer = {
    **pooled,
    f'{d}.connectors.gap.type': 'TorchNNConnector',
    f'{d}.connectors.gap.module_name': 'Conv2d',
    f'{d}.connectors.gap.module_args.in_channels': 64,
    f'{d}.connectors.gap.module_args.out_channels': 64,
    f'{d}.connectors.gap.module_args.kernel_size': 1,
    f'{d}.loss_forward_mappings.loss_gap.s_feature.connector': 'gap',
}
# It collapsed in the first iterations (docs/lab/last_module.md).
rows['labels, DKD x 0.25 and pooled features through a layer'] = {
    f'{dkd}.loss_weight': 0.25,
    **layer,
}
# FitNet's, which normalises
regressor = {
    **pooled,
    f'{d}.connectors.gap.type': 'HintConnector',
    f'{d}.loss_forward_mappings.loss_gap.s_feature.connector': 'gap',
}
for factor, row in (
    (1.0, 'labels, DKD and pooled features through a regressor'),
    (0.25, 'labels, DKD x 0.25 and pooled features through a regressor'),
    (0.0, 'labels and pooled features through a regressor'),
):
    rows[row] = {f'{dkd}.loss_weight': factor, **regressor}
rows['labels, KD, T = 1, and pooled features through a regressor'] = {
    **in_place['loss_kd'],
    **regressor,
}
rows['labels, DKD and pooled features'] = pooled
rows['labels and pooled features'] = {f'{dkd}.loss_weight': 0.0, **pooled}
# what of that is the local modules' own
rows['labels and pooled features, no local modules'] = {
    **rows['labels and pooled features'],
    f'{d}.isolate': False,
    f'{d}.feature_loss': None,
    f'{d}.attention_loss': None,
}
# The map itself, which OFD teaches; with this teacher its published weights
# are 5, 6 and 13 in the scale of LocalFeatureLoss for stages 1, 2 and 3.
last_map = {key.replace('gap', 'map'): v for key, v in pooled.items()}
for side in ('student', 'teacher'):
    last_map[f'{d}.{side}_recorders.map.source'] = 'backbone.layer3.preact'
    mapping = f'{d}.loss_forward_mappings.loss_map.{side[0]}_feature'
    last_map[f'{mapping}.recorder'] = 'map'
rows['labels and the map of stage 3'] = {f'{dkd}.loss_weight': 0.0, **last_map}
rows['labels, pooled features and the map of stage 3'] = {
    **rows['labels and pooled features'],
    **last_map,
}
rows['labels and pooled features, map losses x 4'] = {
    **rows['labels and pooled features'],
    f'{d}.feature_loss.loss_weight': 4.0,
    f'{d}.attention_loss.loss_weight': 4.0,
}
rows['labels and the map of stage 3 by OFD'] = {
    **rows['labels and the map of stage 3'],
    f'{d}.distill_losses.loss_map.type': 'PartialSquareLoss',
    f'{d}.distill_losses.loss_map.loss_weight': 1.0,
    f'{d}.connectors.align.type': 'ConvModuleConnector',
    f'{d}.connectors.align.norm_cfg.type': 'BN',
    f'{d}.connectors.align.act_cfg': None,
    f'{d}.connectors.margin.type': 'MarginConnector',
    f'{d}.loss_forward_mappings.loss_map.s_feature.connector': 'align',
    f'{d}.loss_forward_mappings.loss_map.t_feature.connector': 'margin',
}
rows['labels, DKD and the map of stage 3 by OFD'] = {
    **rows['labels and the map of stage 3 by OFD'],
    f'{dkd}.loss_weight': 1.0,
}
rows['labels, DKD x 0.25 and pooled features x 0.2'] = {
    f'{dkd}.loss_weight': 0.25,
    **pooled,
    f'{d}.distill_losses.loss_gap.loss_weight': 2.0,
}
# one factor at a time, from LAKD over OFD
ofd_rows = {
    'LAKD, OFD, fed its own maps': {f'{d}.feed': 'student'},
    'LAKD, OFD, fed a mixture in the first quarter': {
        f'{d}.feed.fraction': 0.25
    },
    'LAKD, OFD, fed a mixture throughout': {f'{d}.feed.fraction': 1.0},
    'LAKD, OFD, no cut': {f'{d}.isolate': False},
}

lakd = 'configs/lakd/lakd_{pair}.py'
base = {method['title']: method for method in _base_.methods}
methods = [
    base['FitNet'],
    *(
        dict(
            title=f'FitNet x {factor:g}',
            config='configs/fitnet/fitnet_{pair}.py',
            options={
                f'{d}.distill_losses.loss_hint.loss_weight': 100.0 * factor
            },
        )
        for factor in (0.1, 10)
    ),
    base['OFD'],
    dict(
        title='OFD x 0.25',
        config='configs/ofd/ofd_{pair}.py',
        options={f'{d}.distill_losses.loss_ofd.loss_weight': 0.25},
    ),
    base['ReviewKD'],
    base['OFD without its layers'],
    base['OFD x 4'],
    base['LAKD, OFD x 4'],
    base['ReviewKD, weight 5'],
    base['DKD'],
    dict(
        title='DKD x 0.25',
        config='configs/dkd/dkd_{pair}.py',
        options={f'{dkd}.loss_weight': 0.25},
    ),
    dict(
        title='DKD, standardised',
        config='configs/dkd/dkd_{pair}.py',
        options=standardized,
    ),
    base['LAKD'],
    *(dict(title=t, config=lakd, options=o) for t, o in rows.items()),
    base['LAKD, OFD'],
    *(
        dict(title=t, config='configs/lakd/lakd_{pair}_ofd.py', options=o)
        for t, o in ofd_rows.items()
    ),
]
reference = 'LAKD'
del base, changes, d, dkd, factor, in_place, key, lakd, last_map, layer, loss
del mapping, name, ofd_rows, pooled, regressor, row, rows, side
del standardized, suffix, value
