"""The labels of all training samples, for contrastive losses."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ...errors import SettingError
from ...losses import NegativeSampler
from ...tracing.modules import unwrap_model


@HOOKS.register_module()
class SampleLabelsHook(Hook):
    """Passes the training data's labels to the losses that need them.

    :class:`~mmrazor_lakd.losses.ContrastiveLoss` is the only one: with other
    methods nothing happens.

    Examples:
        >>> custom_hooks = [dict(type='SampleLabelsHook')]
    """

    def before_train(self, runner) -> None:
        """Read the labels once, before the first iteration.

        Raises:
            SettingError: If the data set doesn't provide them, or they don't
                suit the loss.
        """
        model = unwrap_model(runner.model)
        samplers = [
            module
            for module in model.modules()
            if isinstance(module, NegativeSampler)
        ]
        if not samplers:
            return
        dataset = runner.train_dataloader.dataset
        if not hasattr(dataset, 'get_gt_labels'):
            raise SettingError(
                f'ContrastiveLoss needs the labels of all training samples, '
                f'but {type(dataset).__name__} has no get_gt_labels(); give a '
                f"data set of MMPretrain's that is not wrapped."
            )
        labels = dataset.get_gt_labels()
        for sampler in samplers:
            sampler.take_labels(labels)
