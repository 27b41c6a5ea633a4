"""A number of classes on which model and data agree."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS

from ..distillers.class_counts import logit_losses
from ..errors import SettingError


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Refuses heads whose number of classes is not the data set's.

    mmpretrain's ``ClassNumCheckHook`` does this for a plain classifier. It
    refuses every distillation, since the classifiers inside of it have data
    preprocessors without a number of classes. The student is always compared
    with the data, the teacher where a loss compares its logits with the
    student's: one that teaches maps alone may know other classes.

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
        """Compare every part of the model that knows a number of classes."""
        classes = dataset.metainfo.get('classes')
        if classes is None:
            return
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        teacher = getattr(model, 'teacher', None)  # need not be a submodule
        parts = [
            (name, module, '')
            for name, module in model.named_modules()
            if f'{name}.'.split('.')[0] != 'teacher'
        ]
        losses = logit_losses(getattr(model, 'distiller', None))
        if teacher is not None and losses:
            parts += [
                (name, module, f", and '{losses[0]}' compares its logits")
                for name, module in teacher.named_modules(prefix='teacher')
            ]
        for name, module, remark in parts:
            count = getattr(module, 'num_classes', None)
            # A backbone with num_classes=-1 has no classifier of its own.
            if not isinstance(count, int) or count <= 0:
                continue
            if count != len(classes):
                raise SettingError(
                    f'{name}.num_classes is {count}, but the data set '
                    f'{type(dataset).__name__} has {len(classes)} classes'
                    f'{remark}; set num_classes={len(classes)} in the config.'
                )
