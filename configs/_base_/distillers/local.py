# Local learning, with KD at the head. Each module but the last learns the
# labels through a classifier of its own, the `1c2f` head of InfoPro (Wang et
# al., "Revisiting Locally Supervised Learning") and MAN, without InfoPro's
# reconstruction (`--local_loss_mode cross_entropy`, `ixx` 0, `ixy` 1). Cuts
# after every stage but the last, their K = 3. The last module learns as in KD.
_base_ = './kd.py'

local_distiller = dict(
    _base_.kd_distiller,
    type='LAKDDistiller',
    local_modules=dict(maps='output'),
    feature_loss=None,
    attention_loss=None,
    classifier_loss=dict(
        type='LocalClassifierLoss',
        layers='1c2f',
        label_weight=1.0,
        kd_weight=0.0,
        activation='none',
    ),
)
local_architecture = _base_.kd_architecture
