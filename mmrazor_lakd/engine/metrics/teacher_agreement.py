"""How often a student predicts what its teacher predicts."""

from typing import Any, Dict, List, Sequence

import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS
from torch.nn.functional import kl_div

from ...errors import SettingError


@METRICS.register_module()
class TeacherAgreement(BaseMetric):
    """Agreement of a student's predictions with its teacher's.

    ``agreement/top1`` is the share of images, in %, on which both predict the
    same class, right or wrong. ``agreement/kl`` is the mean over the images of
    KL(teacher || student) of their probabilities, in nats; probabilities too
    small for float32 count as its smallest normal number, 1.2e-38.

    It needs ``predict_teacher=True`` of :class:`FrozenTeacherDistill`, which
    runs the teacher on the evaluated images.

    Source: "agreement" as in Stanton et al., "Does Knowledge Distillation
    Really Work?", NeurIPS 2021.

    Args:
        kwargs: Arguments of :class:`BaseMetric`.

    Raises:
        SettingError: In evaluation, if a prediction lacks the teacher's or the
            student's scores, or their numbers of classes differ.

    Examples:
        >>> model = dict(predict_teacher=True)
        >>> val_evaluator = [
        ...     dict(type='mmpretrain.Accuracy', topk=(1,)),
        ...     dict(type='TeacherAgreement'),
        ... ]
    """

    default_prefix = 'agreement'

    def process(self, data_batch: Any, data_samples: Sequence[Dict]) -> None:
        """Process a batch.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Predictions, with the probabilities
                ``pred_score`` and ``teacher_score``, each (K,).
        """
        for sample in data_samples:
            scores = [sample.get(n) for n in ('pred_score', 'teacher_score')]
            if any(score is None for score in scores):
                raise SettingError(
                    "TeacherAgreement needs the scores of the student's and "
                    "the teacher's classes, but a prediction lacks some; "
                    'write model.predict_teacher=True with a '
                    'FrozenTeacherDistill of two classifiers.'
                )
            own, taught = scores
            if own.shape != taught.shape:
                raise SettingError(
                    f'TeacherAgreement compares a student of {len(own)} '
                    f'classes with a teacher of {len(taught)}; set '
                    f'num_classes of both heads to the same number, or leave '
                    f'it out of the evaluators.'
                )
            smallest = torch.finfo(torch.float32).tiny
            own_log, taught_log = (
                score.cpu().double().clamp(min=smallest).log()
                for score in scores
            )
            divergence = kl_div(
                own_log, taught_log, reduction='sum', log_target=True
            )
            same = own.argmax() == taught.argmax()
            self.results.append((same.item(), divergence.item()))

    def compute_metrics(self, results: List) -> Dict[str, float]:
        """Average over the images."""
        same, divergences = zip(*results)
        return dict(
            top1=100 * sum(same) / len(same),
            kl=sum(divergences) / len(divergences),
        )
