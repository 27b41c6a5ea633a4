"""The teacher's accuracy, before a student learns from it."""

import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner.amp import autocast

from ...tracing.modules import unwrap_model
from ..metrics.teacher_agreement import TeacherAgreement
from .class_count_hook import class_counts


@HOOKS.register_module()
class TeacherAccuracyHook(Hook):
    """Evaluates the teacher once, at the start of training.

    The teacher never changes, so one pass over the validation data is enough;
    MMRazor's ``SingleTeacherDistillValLoop`` makes one every epoch. The
    metrics are logged as ``teacher/...``, to all backends of the visualizer. A
    low accuracy here means a wrong checkpoint, a mean and standard deviation
    that the teacher wasn't trained with, or labels in another order.

    Nothing happens if there is no teacher or no validation data, if the
    teacher's classes are not the data's (its maps can still be learned from),
    or if a training is resumed.

    Examples:
        >>> custom_hooks = [dict(type='TeacherAccuracyHook')]
    """

    priority = 'LOW'

    @torch.no_grad()
    def before_train(self, runner) -> None:
        """Evaluate, with the validation loop's data and metrics."""
        model = unwrap_model(runner.model)
        teacher = getattr(model, 'teacher', None)
        if teacher is None or runner.val_loop is None or runner.iter > 0:
            return
        loop = runner.val_loop
        metainfo = getattr(loop.dataloader.dataset, 'metainfo', {})
        classes = metainfo.get('classes')
        counts = {count for _, count in class_counts(teacher)}
        if classes is not None and counts - {len(classes)}:
            return  # it predicts other classes
        evaluator = Evaluator(
            [
                metric
                for metric in loop.evaluator.metrics
                if not isinstance(metric, TeacherAgreement)
            ]
        )
        evaluator.dataset_meta = loop.evaluator.dataset_meta
        training = teacher.training
        teacher.eval()
        for batch in loop.dataloader:
            data = model.data_preprocessor(batch, False)
            with autocast(enabled=loop.fp16):
                outputs = teacher(**data, mode='predict')
            evaluator.process(data_samples=outputs, data_batch=batch)
        teacher.train(training)
        metrics = evaluator.evaluate(len(loop.dataloader.dataset))
        found = {
            f'teacher/{name}': value
            for name, value in metrics.items()
            if isinstance(value, (int, float))  # not one value per class
        }
        runner.visualizer.add_scalars(found, step=0)
        print_log(
            'The teacher on the validation data: '
            + ', '.join(f'{name} {value:.4f}' for name, value in found.items())
            + ', found once, as it never changes.',
            logger='current',
        )
