# What the baselines gain from other settings than their published ones, made
# for 240 epochs and mostly for CIFAR-100. LAKD's weights have the same rows in
# cifar10_ablation, on the same split of the training images.
_base_ = ['./cifar10_ablation.py']

title = "The baselines' settings: CIFAR-10, ResNet20 -> ResNet8"
losses = 'model.distiller.distill_losses'
dkd = f'{losses}.loss_dkd.loss'
# A quarter and four times the published weight, of all losses of a method.
weights = {
    'FitNet': {'loss_hint.loss_weight': 100.0},
    'AT': {'loss_at.loss_weight': 1000.0},
    'RKD': {
        'loss_distance.loss_weight': 25.0,
        'loss_angle.loss_weight': 50.0,
    },
    'OFD': {'loss_ofd.loss_weight': 1.0},
    'CRD': {'loss_crd.loss_weight': 0.8},
    'DIST': {'loss_dist.loss_weight': 2.0},
}
rows = {
    'KD': {
        'T = 2': {f'{losses}.loss_kd.tau': 2.0},
        'T = 8': {f'{losses}.loss_kd.tau': 8.0},
    },
    'DKD': {
        'beta = 1': {f'{dkd}.beta': 1.0},
        'beta = 4': {f'{dkd}.beta': 4.0},
        'beta = 8': {f'{dkd}.beta': 8.0},
        'T = 2': {f'{dkd}.tau': 2.0},
    },
}
for name, published in weights.items():
    rows[name] = {
        f'x {factor:g}': {
            f'{losses}.{key}': weight * factor
            for key, weight in published.items()
        }
        for factor in (0.25, 4)
    }
# 0.6 is published for ResNet56 -> ResNet20, 5 for most other pairs.
rows['ReviewKD'] = {
    f'weight {weight:g}': {f'{losses}.loss_review.loss.loss_weight': weight}
    for weight in (0.15, 0.6, 2.4)
}
# CRD's memory has a place for each training image of the split.
images = _base_.options['train_dataloader.dataset.indices']
always = {'CRD': {f'{losses}.loss_crd.num_samples': images}}
methods = []
for name, changes in rows.items():
    for change, own in {'': {}, **changes}.items():
        methods.append(
            dict(
                title=f'{name}, {change}' if change else name,
                config=f'configs/{name.lower()}/{name.lower()}_{{pair}}.py',
                options={**always.get(name, {}), **own},
            )
        )
reference = 'KD'
del always, change, changes, dkd, images, losses, name, own, published
del rows, weights
