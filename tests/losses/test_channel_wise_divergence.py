"""CWD of maps that are channels last."""

import torch
from mmrazor.registry import MODELS


def test_any_memory_layout():
    """Against KL(teacher || student) of each channel's positions."""
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 2, 3, 4, 5, dtype=torch.double)
    loss = MODELS.build(
        dict(type='mmrazor.ChannelWiseDivergence', tau=2.0, loss_weight=3.0)
    )
    s_log, t_log = (
        (maps.reshape(6, 20) / 2).log_softmax(1) for maps in (student, teacher)
    )
    expected = 3 * 4 * (t_log.exp() * (t_log - s_log)).sum() / 6
    for layout in (torch.contiguous_format, torch.channels_last):
        maps = (m.to(memory_format=layout) for m in (student, teacher))
        torch.testing.assert_close(loss(*maps), expected)
