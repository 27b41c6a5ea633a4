"""A check that model and data have the same number of classes."""

from typing import Iterator, Tuple

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import nn

from ...distillers.class_counts import logit_losses
from ...errors import SettingError
from ...tracing.modules import unwrap_model


def class_counts(
    model: nn.Module, prefix: str = ''
) -> Iterator[Tuple[str, int]]:
    """Yield each part of a model that has a number of classes, and the number.

    Args:
        model (nn.Module): Any MMEngine model.
        prefix (str): Prefix of the parts' names.
    """
    for name, module in model.named_modules(prefix=prefix):
        count = getattr(module, 'num_classes', None)
        # A backbone with num_classes=-1 has no classifier of its own.
        # An RPN tells objects from the background, whatever their class.
        rpn = name.rpartition('.')[2] == 'rpn_head'
        if isinstance(count, int) and count > 0 and not rpn:
            yield name, count


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Raises if a head's number of classes is not the data set's.

    mmpretrain's ``ClassNumCheckHook`` does this for a plain classifier. That
    hook refuses every distillation, since the classifiers inside it have data
    preprocessors without a number of classes. The student is always compared
    with the data, the teacher only if a loss compares its logits with the
    student's: one that only teaches maps may have other classes.

    Raises:
        SettingError: Before the first iteration.
    """

    def before_train(self, runner) -> None:
        """Compare with the training data."""
        self._check(runner, runner.train_dataloader.dataset)

    def before_val(self, runner) -> None:
        """Compare with the validation data."""
        self._check(runner, runner.val_dataloader.dataset)

    def before_test(self, runner) -> None:
        """Compare with the test data."""
        self._check(runner, runner.test_dataloader.dataset)

    @staticmethod
    def _check(runner, dataset) -> None:
        """Check every part of the model that has a number of classes."""
        classes = getattr(dataset, 'metainfo', {}).get('classes')
        if classes is None:
            return
        model = unwrap_model(runner.model)
        parts = [
            (name, count, '')
            for name, count in class_counts(model)
            if not name.startswith('teacher.')
        ]
        teacher = getattr(model, 'teacher', None)  # need not be a submodule
        losses = logit_losses(getattr(model, 'distiller', None))
        if teacher is not None and losses:
            parts += [
                (name, count, f", and '{losses[0]}' compares its logits")
                for name, count in class_counts(teacher, 'teacher')
            ]
        for name, count, remark in parts:
            if count != len(classes):
                raise SettingError(
                    f'{name}.num_classes is {count}, but the data set '
                    f'{type(dataset).__name__} has {len(classes)} classes'
                    f'{remark}; set num_classes={len(classes)} in the config.'
                )
