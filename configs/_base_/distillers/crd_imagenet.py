# CRD on ImageNet: the settings are CIFAR's (mdistiller,
# configs/imagenet/r34_r18/crd.yaml), of more images.
_base_ = './crd.py'

crd_distiller = dict(
    distill_losses=dict(loss_crd=dict(num_samples=1281167)), input_size=224
)
