"""Evaluates several processes' model with the statistics that are saved."""

from mmengine.dist import broadcast, get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch.nn.modules.batchnorm import _NormBase

from ...tracing.modules import unwrap_model


@HOOKS.register_module()
class SavedStatisticsHook(Hook):
    """Gives all processes the first one's running statistics to evaluate with.

    MMEngine lets each process keep running statistics of its own batches,
    saves those of the first one, and evaluates a part of the images with each.
    Such an accuracy is of no saved model, and another one after a resume, when
    all have the first one's. Training doesn't use running statistics.

    Examples:
        >>> hook = dict(type='SavedStatisticsHook')
        >>> default_hooks = dict(statistics=hook)
    """

    priority = 'LOWEST'  # when an EMAHook has put its model in place

    def before_val_epoch(self, runner) -> None:
        """Send the first process's statistics to the others."""
        if get_world_size() == 1:
            return
        for module in unwrap_model(runner.model).modules():
            if isinstance(module, _NormBase):
                for statistics in module.buffers():
                    broadcast(statistics)
