"""FCFD's distiller between small networks, for its tests."""

import torch
from conftest import LOGITS_KD, build_model, classifier

MAPS = dict(type='LocalFeatureLoss', normalize='none', loss_weight=0.5)
LOGITS = dict(type='LogitsKDLoss', tau=2.0, loss_weight=3.0)


def fcfd(**kwargs):
    """Config of a distiller."""
    return dict(
        type='FunctionConsistentDistiller',
        **{**LOGITS_KD, 'feature_loss': MAPS, 'logits_loss': LOGITS, **kwargs},
    )


def other(kind, width, **backbone):
    """Config of another classifier of ours."""
    cfg = classifier(8, width=width)
    cfg['backbone'] = dict(type=kind, **backbone)
    return cfg


def build(distiller=None, **kwargs):
    """Build it between networks whose logits differ."""
    model = build_model(distiller or fcfd(), **kwargs)
    generator = torch.Generator().manual_seed(4)
    for network in (model.student, model.teacher):
        network.head.fc.weight.data *= 30
        for name, value in network.state_dict().items():
            if 'bn' in name and value.is_floating_point():
                value += torch.rand(value.shape, generator=generator)
    return model
