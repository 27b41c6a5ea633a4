# ReviewKD on ImageNet: the student's maps too are those before the ReLU, the
# warm-up is one epoch; weight 1 for ResNet34 -> ResNet18 (mdistiller,
# configs/imagenet/r34_r18/reviewkd.yaml).
_base_ = './reviewkd_4stages.py'

reviewkd_distiller = dict(
    student_recorders=dict(
        stage1=dict(source='backbone.layer1.preact'),
        stage2=dict(source='backbone.layer2.preact'),
        stage3=dict(source='backbone.layer3.preact'),
        stage4=dict(source='backbone.layer4.preact'),
    ),
    distill_losses=dict(
        loss_review=dict(epochs=1, loss=dict(loss_weight=1.0))
    ),
    input_size=224,
)
