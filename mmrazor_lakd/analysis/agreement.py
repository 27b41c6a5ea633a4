"""Agreement between the predictions of several classifiers."""

from typing import Dict

import torch
from torch.nn.functional import kl_div


class Agreement:
    """Counts which classifiers agree on which images.

    Args:
        num_models (int): Number of classifiers, M.
        num_classes (int): Number of classes, K.

    Attributes:
        images (torch.Tensor): Images of each class, (K,).
        right (torch.Tensor): Correct predictions, (M, K).
        same (torch.Tensor): Equal predictions of two models, (M, M).
        same_wrong (torch.Tensor): Equal and wrong ones, (M, M).
        only (torch.Tensor): (M, M, K); at [i, j, k] the images of class k
            that model i classifies correctly and model j doesn't.
        divergence (torch.Tensor): (M, M), float64; at [i, j] the sum over the
            images of KL(p_j || p_i), p the softmax of the logits, in nats.
    """

    def __init__(self, num_models: int, num_classes: int) -> None:
        self.images = torch.zeros(num_classes, dtype=torch.long)
        self.right = torch.zeros(num_models, num_classes, dtype=torch.long)
        square = (num_models, num_models)
        self.same = torch.zeros(square, dtype=torch.long)
        self.same_wrong = torch.zeros(square, dtype=torch.long)
        self.only = torch.zeros(*square, num_classes, dtype=torch.long)
        self.divergence = torch.zeros(square, dtype=torch.float64)

    def update(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch.

        Args:
            logits (torch.Tensor): Logits of all models, (M, N, K).
            labels (torch.Tensor): True classes, (N,), int64.
        """
        logits, labels = logits.cpu(), labels.cpu()
        answers = logits.argmax(2)
        logs = logits.double().log_softmax(2)
        # One row at a time: all pairs at 1,000 classes would fill the memory.
        for row, own in zip(self.divergence, logs):
            row += kl_div(own, logs, reduction='none', log_target=True).sum(
                (1, 2)
            )
        right = answers == labels
        same = answers[:, None] == answers
        self.images.index_add_(0, labels, torch.ones_like(labels))
        self.right.index_add_(1, labels, right.long())
        self.same += same.sum(2)
        self.same_wrong += (same & ~right).sum(2)
        only = right[:, None] & ~right
        self.only.index_add_(2, labels, only.long())

    def compute(self) -> Dict[str, torch.Tensor]:
        """Compute the shares over all images so far, each from 0 to 1.

        Returns:
            dict[str, torch.Tensor]: ``accuracy``, (M,); and of shape (M, M),
            at [i, j], ``all``: images on which models i and j agree;
            ``right``: the same among those where j is right, ``wrong``: where
            it is wrong; nan where there is no such image. ``divergence``: mean
            of KL(p_j || p_i) over the images, in nats.
        """
        images, right = self.images.sum(), self.right.sum(1)
        return dict(
            accuracy=right / images,
            all=self.same / images,
            right=(self.same - self.same_wrong) / right,
            wrong=self.same_wrong / (images - right),
            divergence=self.divergence / images,
        )

    def gain(self, model: int, other: int, label: int) -> Dict[str, float]:
        """Compare two models on the images of one class.

        Returns:
            dict: ``gain``: difference of the two accuracies; ``only_model``
            and ``only_other``: images that only one of them classifies
            correctly; ``p``: probability of a difference of at least this size
            if neither is better (exact McNemar test, two-sided).
        """
        # Imported lazily, since it takes a second.
        from scipy.stats import binomtest

        won = self.only[model, other, label].item()
        lost = self.only[other, model, label].item()
        differing = won + lost
        return dict(
            gain=(won - lost) / max(self.images[label].item(), 1),
            only_model=won,
            only_other=lost,
            p=binomtest(won, differing).pvalue if differing else 1.0,
        )
