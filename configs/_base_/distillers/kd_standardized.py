# KD of standardized logits: Sun et al., "Logit Standardization in Knowledge
# Distillation". T 2, KD 9, cross-entropy KD's 0.1, and the deviation of the
# authors' code (github.com/sunshangquan/logit-standardization-KD,
# `tools/train.py --logit-stand --base-temp 2 --kd-weight 9`).
_base_ = './kd.py'

kd_standardized_distiller = dict(
    _base_.kd_distiller,
    distill_losses=dict(
        loss_kd=dict(
            type='LogitsKDLoss',
            tau=2.0,
            loss_weight=9.0,
            standardize='code',
        )
    ),
)
kd_standardized_architecture = _base_.kd_architecture
