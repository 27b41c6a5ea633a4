# Which of LAKD's choices pay: one factor at a time, from the configs'
# defaults. It looks at the last 5,000 training images, on which no student is
# trained, and never at the test set. (The teacher has been trained on them,
# for all rows alike.) Screen with --seeds 0, then give the rows that decide
# more seeds.
_base_ = ['../../../configs/benchmark/_base_/methods.py']

title = 'LAKD, one factor at a time: CIFAR-10, ResNet20 -> ResNet8'
pairs = ['resnet20_resnet8_1xb128_cifar10']
# Half of it hides what the maps cost at the end of a training.
epochs = 10
teacher_epochs = 20
# that of cifar10_small
teacher_checkpoints = dict(
    resnet20_1xb128_cifar10='docs/lab/results/cifar10_small/teachers/'
    'resnet20_1xb128_cifar10.pth'
)
options = {
    'train_dataloader.dataset.indices': 45000,
    'val_dataloader.dataset.split': 'train',
    'val_dataloader.dataset.indices': -5000,
}

d = 'model.distiller'
dkd_loss = f'{d}.distill_losses.loss_dkd.loss'
dkd = f'{dkd_loss}.loss_weight'
label = 'model.architecture.head.loss.loss_weight'
cut = {f'{d}.local_modules.1.isolate': True}
# logits KD, as configs/kd has it, in place of DKD
kd = {
    label: 0.1,
    dkd: 0.0,
    f'{d}.distill_losses.loss_kd.type': 'LogitsKDLoss',
    f'{d}.distill_losses.loss_kd.tau': 4.0,
    f'{d}.distill_losses.loss_kd.loss_weight': 0.9,
}
for side, key in (('student', 'preds_S'), ('teacher', 'preds_T')):
    mapping = f'{d}.loss_forward_mappings.loss_kd.{key}'
    kd[f'{mapping}.recorder'] = 'logits'
    kd[f'{mapping}.from_student'] = side == 'student'
soft_labels = {
    **kd,
    label: 1.0,
    f'{d}.distill_losses.loss_kd.tau': 1.0,
    f'{d}.distill_losses.loss_kd.loss_weight': 1.0,
}
# Sun et al.'s settings for DKD
standardized = {
    f'{dkd_loss}.standardize': True,
    f'{dkd_loss}.tau': 2.0,
    dkd: 9.0,
}
pooled = {
    f'{d}.distill_losses.loss_gap.type': 'LocalFeatureLoss',
    f'{d}.distill_losses.loss_gap.loss_weight': 10.0,
}
for side in ('student', 'teacher'):
    pooled[f'{d}.{side}_recorders.gap.type'] = 'ModuleOutputs'
    pooled[f'{d}.{side}_recorders.gap.source'] = 'neck.gap'
    mapping = f'{d}.loss_forward_mappings.loss_gap.{side[0]}_feature'
    pooled[f'{mapping}.recorder'] = 'gap'
    pooled[f'{mapping}.from_student'] = side == 'student'
# a learned layer, so that the student's own features may be others
layer = {
    **pooled,
    f'{d}.connectors.gap.type': 'TorchNNConnector',
    f'{d}.connectors.gap.module_name': 'Conv2d',
    f'{d}.connectors.gap.module_args.in_channels': 64,
    f'{d}.connectors.gap.module_args.out_channels': 64,
    f'{d}.connectors.gap.module_args.kernel_size': 1,
    f'{d}.loss_forward_mappings.loss_gap.s_feature.connector': 'gap',
}
# FitNet's, which normalises
regressor = {
    **pooled,
    f'{d}.connectors.gap.type': 'HintConnector',
    f'{d}.loss_forward_mappings.loss_gap.s_feature.connector': 'gap',
}
# the map of the last stage by OFD's loss, behind a layer and above its margins
last_map = {
    f'{d}.distill_losses.loss_map.type': 'PartialSquareLoss',
    f'{d}.connectors.align.type': 'ConvModuleConnector',
    f'{d}.connectors.align.norm_cfg.type': 'BN',
    f'{d}.connectors.align.act_cfg': None,
    f'{d}.connectors.margin.type': 'MarginConnector',
}
for side, connector in (('student', 'align'), ('teacher', 'margin')):
    last_map[f'{d}.{side}_recorders.map.type'] = 'ModuleOutputs'
    last_map[f'{d}.{side}_recorders.map.source'] = 'backbone.layer3.preact'
    mapping = f'{d}.loss_forward_mappings.loss_map.{side[0]}_feature'
    last_map[f'{mapping}.recorder'] = 'map'
    last_map[f'{mapping}.from_student'] = side == 'student'
    last_map[f'{mapping}.connector'] = connector
# ReviewKD of the stages that the last module has, with four times its weight
review = {
    f'{d}.distill_losses.loss_review.type': 'WarmupLoss',
    f'{d}.distill_losses.loss_review.fraction': 1 / 12,
    f'{d}.distill_losses.loss_review.loss.type': 'HierarchicalContextLoss',
    f'{d}.distill_losses.loss_review.loss.loss_weight': 2.4,
    f'{d}.connectors.review.type': 'ReviewConnector',
    f'{d}.loss_forward_mappings.loss_review.s_features.connector': 'review',
}
for side, end in (('student', ''), ('teacher', '.preact')):
    sources = dict(
        stage2=f'backbone.layer2{end}',
        stage3=f'backbone.layer3{end}',
        pooled='neck.gap',
    )
    for key, source in sources.items():
        review[f'{d}.{side}_recorders.{key}.type'] = 'ModuleOutputs'
        review[f'{d}.{side}_recorders.{key}.source'] = source
    mapping = f'{d}.loss_forward_mappings.loss_review.{side[0]}_features'
    review[f'{mapping}.recorder'] = list(sources)
    review[f'{mapping}.from_student'] = side == 'student'
# without stage 2, whose fused maps take most of its memory
review_last = dict(review)
for key in ('s_features', 't_features'):
    mapping = f'{d}.loss_forward_mappings.loss_review.{key}'
    review_last[f'{mapping}.recorder'] = ['stage3', 'pooled']
rows = {
    # where gradients end
    'no cuts': {f'{d}.isolate': False},
    'cuts behind stages 1 and 2': cut,
    'cuts behind stages 1 and 2, KD at the head': {**cut, **kd},
    'stage 2 untaught': {
        f'{d}.local_modules.1.feature_loss': None,
        f'{d}.local_modules.1.attention_loss': None,
    },
    # what the last module learns from
    'KD at the head': kd,
    'labels alone at the head': {dkd: 0.0},
    'DKD x 0.25 at the head': {dkd: 0.25},
    'standardised DKD at the head': standardized,
    'labels and KD, T = 1, at the head': soft_labels,
    'logits alone at the head': {label: 0.0},
    'pooled features, too, at the head': pooled,
    'pooled features through a layer, too, at the head': layer,
    'pooled features through a layer, DKD x 0.25': {dkd: 0.25, **layer},
    'pooled features through a regressor, too, at the head': regressor,
    'pooled features through a regressor, DKD x 0.25': {
        dkd: 0.25,
        **regressor,
    },
    'pooled features through a regressor in place of DKD': {
        dkd: 0.0,
        **regressor,
    },
    'pooled features through a regressor, KD, T = 1': {
        **soft_labels,
        **regressor,
    },
    # labels and KD half each
    'pooled features through a regressor, half of KD, T = 1': {
        **soft_labels,
        label: 0.5,
        f'{d}.distill_losses.loss_kd.loss_weight': 0.5,
        **regressor,
    },
    'pooled features in place of DKD': {dkd: 0.0, **pooled},
    'pooled features x 0.2, DKD x 0.25': {
        dkd: 0.25,
        **pooled,
        f'{d}.distill_losses.loss_gap.loss_weight': 2.0,
    },
    'the map of stage 3 by OFD, too, at the head': last_map,
    'the map of stage 3 by OFD in place of DKD': {dkd: 0.0, **last_map},
    'ReviewKD of stages 2 and 3, too, at the head': review,
    'ReviewKD of stage 3, too, at the head': review_last,
    'ReviewKD of stages 2 and 3 in place of DKD': {dkd: 0.0, **review},
    # what NDAM adds
    'NDAM off': {f'{d}.attention_loss': None},
    'NDAM alone': {f'{d}.feature_loss': None},
    'NDAM matched': {f'{d}.attention_loss.mode': 'match'},
    'NDAM matched, alone': {
        f'{d}.attention_loss.mode': 'match',
        f'{d}.feature_loss': None,
    },
    # the weight W
    'pooling 5': {f'{d}.attention_loss.kernel_size': 5},
    # its W is 1 everywhere: the feature loss twice
    'pooling of the whole map': {f'{d}.attention_loss.kernel_size': None},
    'average pooling alone': {
        f'{d}.attention_loss.alpha': 1.0,
        f'{d}.attention_loss.beta': 0.0,
    },
    'maximum pooling alone': {
        f'{d}.attention_loss.alpha': 0.0,
        f'{d}.attention_loss.beta': 1.0,
    },
    'W by softmax': {f'{d}.attention_loss.normalize': 'softmax'},
    'W as it is': {f'{d}.attention_loss.normalize': 'none'},
    'absolute values in W': {f'{d}.attention_loss.activation': 'abs'},
    # the maps, and the scale of their losses
    'maps behind the ReLU': {
        f'{d}.local_modules.0.student': 'backbone.layer1',
        f'{d}.local_modules.0.teacher': 'backbone.layer1',
        f'{d}.local_modules.1.student': 'backbone.layer2',
        f'{d}.local_modules.1.teacher': 'backbone.layer2',
    },
    # A sum over the elements of a map: module 1 has 16,384 of them and weighs
    # as much as before, module 2 half of it.
    'mean over instances': {
        f'{d}.feature_loss.reduction': 'instance',
        f'{d}.feature_loss.loss_weight': 1 / 16384,
        f'{d}.attention_loss.reduction': 'instance',
        f'{d}.attention_loss.loss_weight': 1 / 16384,
    },
    'scale as it is': {
        f'{d}.feature_loss.normalize': 'none',
        f'{d}.attention_loss.scale': 'none',
    },
    'map losses x 0.25': {
        f'{d}.feature_loss.loss_weight': 0.25,
        f'{d}.attention_loss.loss_weight': 0.25,
    },
    'map losses x 4': {
        f'{d}.feature_loss.loss_weight': 4.0,
        f'{d}.attention_loss.loss_weight': 4.0,
    },
    # the number of modules (a ResNet8 has three blocks; its K = 3 is the row
    # of the maps behind the ReLU)
    'K = 2': {f'{d}.local_modules': None, f'{d}.num_modules': 2},
    # simple to complex, and more to learn from
    'progressive, first half': {f'{d}.progressive.fraction': 0.5},
    'fed a mixture, first half': {f'{d}.feed.fraction': 0.5},
    'fed the teacher': {f'{d}.feed': 'teacher'},
    'local classifiers': {f'{d}.classifier_loss.type': 'LocalClassifierLoss'},
    'local classifiers, no maps': {
        f'{d}.classifier_loss.type': 'LocalClassifierLoss',
        f'{d}.feature_loss': None,
        f'{d}.attention_loss': None,
    },
}

lakd = 'configs/lakd/lakd_{pair}.py'
literal = 'configs/lakd/lakd_{pair}_literal.py'
methods = [
    dict(title='alone', config='configs/teachers/{student}_{recipe}.py'),
    dict(title='KD', config='configs/kd/kd_{pair}.py'),
    dict(title='DKD', config='configs/dkd/dkd_{pair}.py'),
    dict(
        title='DKD, standardised',
        config='configs/dkd/dkd_{pair}.py',
        options=standardized,
    ),
    dict(title='LAKD', config=lakd),
    dict(title='the literal reading', config=literal),
    *(dict(title=t, config=lakd, options=o) for t, o in rows.items()),
]
reference = 'LAKD'
del connector, cut, d, dkd, dkd_loss, end, kd, key, label, lakd, last_map
del layer, literal, mapping, pooled, regressor, review, review_last
del rows, side, soft_labels, source, sources, standardized
