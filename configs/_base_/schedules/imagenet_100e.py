# mmpretrain's schedule for ImageNet, which is the literature's: 100 epochs,
# x0.1 at 30, 60 and 90, learning rate 0.1 at batch 256.
_base_ = 'mmpretrain::_base_/schedules/imagenet_bs256.py'

custom_hooks = [
    # refuses a number of classes that differs between model and data
    dict(type='ClassCountHook'),
    # ends a training whose loss is not finite
    dict(type='DivergenceHook'),
    # a resumed training goes on as if it had not stopped
    dict(type='EpochSeedHook'),
    # for CRD; without it, nothing happens
    dict(type='SampleLabelsHook'),
    # evaluates the teacher, if there is one, once
    dict(type='TeacherAccuracyHook'),
]

# What the literature changes on ImageNet, for methods that it trains there:
# mdistiller's configs/imagenet/r34_r18, and each method's authors.
method_settings = dict(
    # T 1, cross-entropy 0.5, KD 0.5
    kd_distiller=dict(
        distill_losses=dict(loss_kd=dict(tau=1.0, loss_weight=0.5))
    ),
    kd_architecture=dict(head=dict(loss=dict(loss_weight=0.5))),
    # T 1 and a warm-up of one epoch; beta 0.5 for ResNet34 -> ResNet18
    dkd_distiller=dict(
        distill_losses=dict(
            loss_dkd=dict(epochs=1, loss=dict(tau=1.0, beta=0.5))
        )
    ),
    # CIFAR's T and weight, not KD's and DKD's of ImageNet; cross-entropy 1 for
    # ResNet34 -> ResNet18
    kd_standardized_distiller=dict(
        distill_losses=dict(loss_kd=dict(tau=2.0, loss_weight=9.0))
    ),
    kd_standardized_architecture=dict(head=dict(loss=dict(loss_weight=1.0))),
    dkd_standardized_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(tau=2.0)))
    ),
    # CIFAR's T and weights, not KD's of ImageNet
    kd_scales_distiller=dict(
        distill_losses=dict(loss_kd=dict(tau=4.0, loss_weight=0.9))
    ),
    kd_scales_architecture=dict(head=dict(loss=dict(loss_weight=0.1))),
    # T 1 and a warm-up of one epoch; beta 0.5 for ResNet34 -> ResNet18
    rld_distiller=dict(
        distill_losses=dict(
            loss_rld=dict(epochs=1, loss=dict(tau=1.0, beta=0.5))
        )
    ),
    # as its authors have it, and MMRazor: T 1
    dist_distiller=dict(distill_losses=dict(loss_dist=dict(tau=1.0))),
    # CIFAR's, of more images
    crd_distiller=dict(
        distill_losses=dict(loss_crd=dict(num_samples=1281167)),
        input_size=224,
    ),
    # none were published, these are CIFAR's
    fitnet_distiller=dict(input_size=224),
    # a tenth of CIFAR's weight (github.com/clovaai/overhaul-distillation)
    ofd_distiller=dict(
        distill_losses=dict(loss_ofd=dict(loss_weight=0.1)), input_size=224
    ),
    # The student's maps too are those before the ReLU; warm-up of one epoch;
    # weight 1 for ResNet34 -> ResNet18.
    reviewkd_distiller=dict(
        stages=dict(student='preact'),
        distill_losses=dict(
            loss_review=dict(epochs=1, loss=dict(loss_weight=1.0))
        ),
        input_size=224,
    ),
    # T 2; the weight falls from the start; the regressor is CIFAR's, not the
    # published bottleneck of three convolutions
    wkd_l_distiller=dict(
        distill_losses=dict(
            loss_wkd=dict(tau=2.0, decay_from=0.0, loss_weight=30.0)
        )
    ),
    wkd_f_distiller=dict(
        distill_losses=dict(
            loss_wkd=dict(
                mean_weight=2.0, grid=4, decay_from=0.0, loss_weight=0.02
            )
        ),
        input_size=224,
    ),
    # T 1 and a warm-up of 5 epochs; weight 0.02 for ResNet34 -> ResNet18
    fcfd_distiller=dict(
        feature_loss=dict(epochs=5),
        logits_loss=dict(tau=1.0),
        distill_losses=dict(loss_kd=dict(tau=1.0)),
        input_size=224,
    ),
    lakd_distiller=dict(input_size=224),
    lakd_literal_distiller=dict(input_size=224),
    lakd_pooled_distiller=dict(input_size=224),
    blockwise_distiller=dict(input_size=224),
    local_distiller=dict(input_size=224),
    # other steps, at epochs 0, 5, 15, 60 and 80 of 100; cross-entropy 1 for
    # ResNet34 -> ResNet18
    norm_distiller=dict(
        distill_losses=dict(
            loss_norm=dict(
                steps=[
                    (0, 0.1),
                    (0.05, 0.5),
                    (0.15, 0.9),
                    (0.6, 0.5),
                    (0.8, 0.1),
                ]
            )
        )
    ),
    norm_architecture=dict(head=dict(loss=dict(loss_weight=1.0))),
)
