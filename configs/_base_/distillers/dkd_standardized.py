# DKD of standardized logits: Sun et al., "Logit Standardization in Knowledge
# Distillation". DKD's alpha, beta, warm-up and cross-entropy, T 2 and nine
# times the weight, and the deviation of the authors' code (github.com/
# sunshangquan/logit-standardization-KD, `tools/train.py --logit-stand
# --base-temp 2 --kd-weight 9`).
_base_ = './dkd.py'

dkd_standardized_distiller = dict(
    _base_.dkd_distiller,
    distill_losses=dict(
        loss_dkd=dict(
            type='WarmupLoss',
            epochs=20,
            loss=dict(
                type='DecoupledKDLoss',
                tau=2.0,
                alpha=1.0,
                beta=2.0,
                loss_weight=9.0,
                standardize='code',
            ),
        )
    ),
)
