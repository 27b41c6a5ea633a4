# The main table's pair with a teacher as good as the literature's:
# cifar10_short with a published ResNet56 (93.39) in place of one of 15 epochs
# (89.09). docs/en/user_guides/teachers.md says where it is and how to convert
# it.
_base_ = ['./cifar10_short.py']

title = 'CIFAR-10, ResNet56 -> ResNet20, a published teacher'
# Three don't tell OFD from LAKD over OFD; the others have three.
seeds = [0, 1, 2, 3, 4]
teacher_checkpoints = dict(
    resnet56_1xb128_cifar10='checkpoints/resnet56_cifar10.pth'
)
# what the teacher was trained with: ImageNet's mean and standard deviation
options = {
    'data_preprocessor.mean': [123.675, 116.28, 103.53],
    'data_preprocessor.std': [58.395, 57.12, 57.375],
}

d = 'model.distiller'
# OFD's learned layers, which LAKD over OFD leaves out: what each has of them
layer = f'{d}.connectors.align'
# four times OFD's weights, which cifar10_published_tuning's split prefers
weight = {f'{d}.distill_losses.loss_ofd.loss_weight': 4.0}
methods = _base_.methods + [
    dict(
        title='OFD without its layers',
        config='configs/ofd/ofd_{pair}.py',
        options={
            f'{layer}._delete_': True,
            f'{layer}.type': 'LocalModuleConnector',
        },
    ),
    dict(
        title='LAKD, OFD with its layers',
        config='configs/lakd/lakd_{pair}_ofd.py',
        options={
            f'{layer}.type': 'ConvModuleConnector',
            f'{layer}.norm_cfg.type': 'BN',
            f'{layer}.act_cfg': None,
        },
    ),
    dict(title='OFD x 4', config='configs/ofd/ofd_{pair}.py', options=weight),
    dict(
        title='LAKD, OFD x 4',
        config='configs/lakd/lakd_{pair}_ofd.py',
        options=weight,
    ),
    # its authors' weight for most other pairs, better on that split, too
    dict(
        title='ReviewKD, weight 5',
        config='configs/reviewkd/reviewkd_{pair}.py',
        options={f'{d}.distill_losses.loss_review.loss.loss_weight': 5.0},
    ),
    # the best of cifar10_small's newer methods with the plain student
    dict(title='WKD-F', config='configs/wkd_f/wkd_f_{pair}.py'),
    dict(title='FCFD', config='configs/fcfd/fcfd_{pair}.py'),
]
del d, layer, weight
