"""Contrastive representation distillation (CRD)."""

import math
from typing import List, Optional

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, broadcast
from mmengine.runner.amp import autocast
from mmengine.structures import BaseDataElement
from mmrazor.registry import MODELS
from torch import nn
from torch.autograd.function import once_differentiable

from ..errors import SettingError, check_number, check_size
from .checks import check_batches, check_settings
from .lengths import row_lengths
from .memory_bank import MemoryBank, gather_batch
from .negative_sampler import NegativeSampler, mix_torch_seed


class _SoftplusOfScores(torch.autograd.Function):
    """Sums ``softplus(anchor . row - shift)`` over each anchor's rows.

    Autograd would keep several (B, P) matrices; this keeps the (B, D)
    gradient, which needs one such matrix while it is computed.
    """

    @staticmethod
    def forward(ctx, anchors, rows, chosen, shift):
        logits = torch.addmm(-shift, anchors, rows.t())
        logits.masked_fill_(~chosen, -math.inf)
        value = F.softplus(logits).sum(1)
        ctx.save_for_backward(logits.sigmoid_() @ rows)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (grad,) = ctx.saved_tensors
        return grad_output[:, None] * grad, None, None, None


def contrastive_loss(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    pool: torch.Tensor,
    chosen: torch.Tensor,
    log_scale: torch.Tensor,
    num_samples: int,
    num_negatives: int,
    temperature: float = 0.07,
) -> torch.Tensor:
    r"""Compute one of the two sides of CRD.

    .. math::
        h(v, m) = \frac{e^{v \cdot m / \tau} / Z}
                       {e^{v \cdot m / \tau} / Z + N / M}, \quad
        L = -\frac{1}{B} \sum_b \Big( \log h(v_b, m_b^+)
            + \sum_{n=1}^N \log (1 - h(v_b, m_{b,n}^-)) \Big)

    It is computed as ``log h = -softplus(c - s)`` and
    ``log (1 - h) = -softplus(s - c)``, with the score ``s`` and
    ``c = log Z + log(N / M)``, which can't overflow and needs no epsilon.

    Source: Tian et al., "Contrastive Representation Distillation", ICLR 2020;
    ``Z`` is in the authors' code (HobbitLong/RepDistiller).

    Args:
        anchors (torch.Tensor): Embeddings of length 1, (B, D). The only
            argument that gets a gradient.
        positives (torch.Tensor): The other network's embeddings of the same
            samples, from its bank, (B, D).
        pool (torch.Tensor): Its embeddings of other samples, (P, D).
        chosen (torch.Tensor): Which rows of the pool are an anchor's
            negatives, bool, (B, P), with ``num_negatives`` True in each row.
        log_scale (torch.Tensor): ``log Z``, a scalar.
        num_samples (int): M.
        num_negatives (int): N.
        temperature (float): Defaults to 0.07.

    Returns:
        torch.Tensor: A scalar.
    """
    anchors = anchors / temperature
    shift = log_scale + math.log(num_negatives / num_samples)
    positive = F.softplus(shift - (anchors * positives).sum(1))
    negative = _SoftplusOfScores.apply(anchors, pool, chosen, shift)
    return (positive + negative).mean()


@torch.no_grad()
def estimate_log_scale(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    pool: torch.Tensor,
    chosen: torch.Tensor,
    num_samples: int,
    temperature: float = 0.07,
) -> torch.Tensor:
    """Estimate ``log Z``, ``M`` times the mean of all exponentiated scores.

    Args:
        anchors, positives, pool, chosen, num_samples, temperature: See
            :func:`contrastive_loss`. The mean is over the batches of all
            processes.

    Returns:
        torch.Tensor: A scalar.
    """
    # float64, since float32 overflows for temperatures below 0.012
    scores = (anchors @ pool.t() / temperature).double()
    positive = ((anchors * positives).sum(1) / temperature).double()
    total = scores.exp()[chosen].sum() + positive.exp().sum()
    sums = torch.stack([total, (chosen.sum() + len(anchors)).double()])
    all_reduce(sums)
    return (sums[0] / sums[1] * num_samples).log().to(anchors.dtype)


@MODELS.register_module()
class ContrastiveLoss(nn.Module):
    r"""CRD: a student's and a teacher's embeddings of an image should agree.

    .. math:: L = L(v^S, \mathrm{bank}^T) + L(v^T, \mathrm{bank}^S)

    with :func:`contrastive_loss` for ``L``. Each side distinguishes the other
    network's embedding of the same image from those of ``num_negatives``
    images of other classes, taken from memory banks.

    It replaces MMRazor's ``CRDLoss`` and ``CRDDataset``. The embeddings come
    from connectors (MMRazor's ``CRDConnector``), one for each network, both of
    which are trained; they are normalised to length 1 here, in the precision
    of the banks, whether or not the connector does so. The images in the batch
    are identified by ``sample_idx`` of the data samples, which MMPretrain's
    ``PackInputs`` and this project's in-memory data sets write.
    ``SampleLabelsHook`` must be in ``custom_hooks``: it provides the classes
    of all training samples.

    Under DistributedDataParallel all processes update the rows of the whole
    batch, so that their banks stay equal. Only the rows of the batch need to
    be sent: leave ``broadcast_buffers=False``, MMEngine's default.

    Source: Tian et al., "Contrastive Representation Distillation", ICLR 2020,
    with the authors' choices in HobbitLong/RepDistiller (``--mode exact``).
    See :class:`~mmrazor_lakd.losses.NegativeSampler` for what differs.

    Args:
        num_samples (int): Number of training samples.
        num_negatives (int): Negatives of an image. Defaults to 16384.
        dim (int): Size of the embeddings. Defaults to 128.
        temperature (float): Divides the scores. Defaults to 0.07.
        momentum (float): Momentum of the banks' rows. Defaults to 0.5.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        seed (int, optional): Seed of the negatives and of the banks' initial
            rows. Defaults to None: PyTorch's seed, which ``randomness.seed``
            sets.

    Raises:
        SettingError: If a number is out of its range.

    Examples:
        >>> gap = dict(type='ModuleOutputs', source='neck.gap')
        >>> side = dict(type='CRDConnector', dim_in=64, dim_out=128)
        >>> distiller = dict(
        ...     type='ConfigurableDistiller',
        ...     student_recorders=dict(
        ...         gap=gap,
        ...         # the inputs of the whole student: images, data samples
        ...         inputs=dict(type='ModuleInputs', source=''),
        ...     ),
        ...     teacher_recorders=dict(gap=gap),
        ...     connectors=dict(student=side, teacher=side),
        ...     distill_losses=dict(
        ...         loss_crd=dict(
        ...             type='ContrastiveLoss',
        ...             num_samples=50000,
        ...             loss_weight=0.8,
        ...         )
        ...     ),
        ...     loss_forward_mappings=dict(
        ...         loss_crd=dict(
        ...             s_feats=dict(
        ...                 recorder='gap', from_student=True,
        ...                 connector='student',
        ...             ),
        ...             t_feats=dict(
        ...                 recorder='gap', from_student=False,
        ...                 connector='teacher',
        ...             ),
        ...             data_samples=dict(
        ...                 recorder='inputs', from_student=True, data_idx=1
        ...             ),
        ...         )
        ...     ),
        ... )
        >>> custom_hooks = [dict(type='SampleLabelsHook')]
    """

    def __init__(
        self,
        num_samples: int,
        num_negatives: int = 16384,
        dim: int = 128,
        temperature: float = 0.07,
        momentum: float = 0.5,
        loss_weight: float = 1.0,
        seed: Optional[int] = None,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        check_number(
            owner, 'num_samples', num_samples, minimum=2, integer=True
        )
        check_number(
            owner,
            'num_negatives',
            num_negatives,
            minimum=1,
            below=num_samples,
            integer=True,
        )
        check_size(owner, 'num_samples', num_samples, below=2**31)
        check_size(owner, 'dim', dim, example=128)
        # with a momentum of 1 the banks would keep their initial rows
        check_number(
            owner, 'momentum', momentum, minimum=0, below=1, example=0.5
        )
        if seed is not None:
            check_number(owner, 'seed', seed, minimum=0, integer=True)
            check_number(owner, 'seed', seed, below=2**63, integer=True)
        self.dim = dim
        self.temperature = temperature
        self.loss_weight = loss_weight
        check_settings(self)
        self.sampler = NegativeSampler(num_samples, num_negatives, seed)
        generator = torch.Generator().manual_seed(
            mix_torch_seed(int(self.sampler.seed))
        )
        self.student_bank = MemoryBank(num_samples, dim, momentum, generator)
        self.teacher_bank = MemoryBank(num_samples, dim, momentum, generator)

    def forward(
        self,
        s_feats: torch.Tensor,
        t_feats: torch.Tensor,
        data_samples: List[BaseDataElement],
    ) -> torch.Tensor:
        """Compute the loss and, in training, update the banks.

        Args:
            s_feats (torch.Tensor): The student's embeddings, (B, D).
            t_feats (torch.Tensor): The teacher's, (B, D).
            data_samples (list): B data samples with ``sample_idx``.

        Returns:
            torch.Tensor: A scalar, in the precision of the banks (float32).

        Raises:
            SettingError: If the size of the embeddings isn't ``dim``, or the
                samples have no ``sample_idx``, or are mixed.
        """
        check_batches(self, s_feats, t_feats)
        indices = self._indices(data_samples, s_feats.device)
        if self.sampler.step == 0:
            # DistributedDataParallel may leave each process the buffers drawn
            # from its own seed.
            for buffer in self.buffers():
                broadcast(buffer)
        # 1 / temperature magnifies the rounding errors of half precision
        with autocast(enabled=False):
            student = self._embeddings('s_feats', s_feats)
            teacher = self._embeddings('t_feats', t_feats)
            pool, chosen = self.sampler(indices)
            s_side = self._side(
                student, self.teacher_bank, indices, pool, chosen
            )
            t_side = self._side(
                teacher, self.student_bank, indices, pool, chosen
            )
            if self.training:
                indices, student, teacher = gather_batch(
                    indices, student.detach(), teacher.detach()
                )
                self.student_bank.update(indices, student)
                self.teacher_bank.update(indices, teacher)
                self.sampler.step += 1
        return self.loss_weight * (s_side + t_side)

    def _side(self, anchors, bank, indices, pool, chosen) -> torch.Tensor:
        """Contrast one network's embeddings with the other's bank."""
        sampler = self.sampler
        # twice as fast on a CPU as rows[pool]
        positives = bank.rows.index_select(0, indices)
        negatives = bank.rows.index_select(0, pool)
        compared = (anchors, positives, negatives, chosen)
        if sampler.step == 0:
            bank.log_scale.copy_(
                estimate_log_scale(
                    *compared, sampler.num_samples, self.temperature
                )
            )
        return contrastive_loss(
            *compared,
            bank.log_scale,
            sampler.num_samples,
            sampler.num_negatives,
            self.temperature,
        )

    def _embeddings(self, name: str, feats: torch.Tensor) -> torch.Tensor:
        """Normalise embeddings to length 1, in the banks' precision."""
        if feats.shape[1:] != (self.dim,):
            raise SettingError(
                f'ContrastiveLoss has dim={self.dim}, but {name} has the '
                f'shape {tuple(feats.shape)}; give the connector '
                f'dim_out={self.dim}.'
            )
        feats = feats.to(self.student_bank.rows.dtype)
        length = row_lengths(feats)
        # F.normalize would multiply the gradient of a zero vector by 1e12
        return feats / length.masked_fill(length < 1e-12, 1.0)

    def _indices(self, data_samples, device) -> torch.Tensor:
        """Return the indices of the batch's training samples."""
        indices = [
            getattr(sample, 'sample_idx', None) for sample in data_samples
        ]
        if None in indices:
            raise SettingError(
                'ContrastiveLoss needs data samples with sample_idx, but some '
                "have none; let PackInputs' meta_keys contain 'sample_idx'."
            )
        scores = [getattr(sample, 'gt_score', None) for sample in data_samples]
        if None not in scores and torch.stack(scores).amax(1).min() < 1:
            raise SettingError(
                'ContrastiveLoss compares each image with its own embedding '
                'and those of other classes, but images are mixed; train '
                'without batch augmentation (Mixup, CutMix).'
            )
        return torch.tensor(indices, device=device)
