_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/lakd.py',
]

# The pooled features as they are: for a student of the teacher's width that
# can hold them.
_base_.lakd_distiller.pop('connectors')
_base_.lakd_distiller.loss_forward_mappings.loss_pooled.s_feature.pop(
    'connector'
)

model = dict(distiller=_base_.lakd_distiller)
