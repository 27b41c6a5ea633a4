# Which of LAKD's choices pay: one factor at a time, from the configs'
# defaults. It looks at the last 5,000 training images, on which no student is
# trained, and never at the test set. (The teacher has been trained on them,
# for all rows alike.) Screen with --seeds 0, then give the rows that decide
# more seeds.
_base_ = ['./_base_/methods.py']

title = 'LAKD, one factor at a time: CIFAR-10, ResNet20 -> ResNet8'
pairs = ['resnet20_resnet8_1xb128_cifar10']
# Half of it hides what the maps cost at the end of a training.
epochs = 10
teacher_epochs = 20
# that of cifar10_small
teacher_checkpoints = dict(
    resnet20_1xb128_cifar10='docs/en/benchmarks/cifar10_small/teachers/'
    'resnet20_1xb128_cifar10.pth'
)
options = {
    'train_dataloader.dataset.indices': 45000,
    'val_dataloader.dataset.split': 'train',
    'val_dataloader.dataset.indices': -5000,
}

d = 'model.distiller'
kd = f'{d}.distill_losses.loss_kd.loss_weight'
label = 'model.architecture.head.loss.loss_weight'
# DKD's settings, as configs/dkd has them, in place of logits KD
dkd = {
    label: 1.0,
    kd: 0.0,
    f'{d}.distill_losses.loss_dkd.type': 'WarmupLoss',
    f'{d}.distill_losses.loss_dkd.fraction': 1 / 12,
    f'{d}.distill_losses.loss_dkd.loss.type': 'DecoupledKDLoss',
    f'{d}.distill_losses.loss_dkd.loss.beta': 2.0,
    f'{d}.student_recorders.labels.type': 'ModuleInputs',
    f'{d}.student_recorders.labels.source': 'head.loss_module',
}
for key, recorder, from_student in (
    ('preds_S', 'logits', True),
    ('preds_T', 'logits', False),
    ('gt_labels', 'labels', True),
):
    mapping = f'{d}.loss_forward_mappings.loss_dkd.{key}'
    dkd[f'{mapping}.recorder'] = recorder
    dkd[f'{mapping}.from_student'] = from_student
dkd[f'{mapping}.data_idx'] = 1
rows = {
    # where gradients end
    'no cuts': {f'{d}.isolate': False},
    'no cuts, map losses x 0.1': {
        f'{d}.isolate': False,
        f'{d}.feature_loss.loss_weight': 0.1,
        f'{d}.attention_loss.loss_weight': 0.1,
    },
    'cut behind stage 1 only': {f'{d}.local_modules.1.isolate': False},
    'cut behind stage 1 only, stage 2 untaught': {
        f'{d}.local_modules.1.isolate': False,
        f'{d}.local_modules.1.feature_loss': None,
        f'{d}.local_modules.1.attention_loss': None,
    },
    'cut behind stage 1 only, map losses x 0.25': {
        f'{d}.local_modules.1.isolate': False,
        f'{d}.feature_loss.loss_weight': 0.25,
        f'{d}.attention_loss.loss_weight': 0.25,
    },
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
    'map losses x 16': {
        f'{d}.feature_loss.loss_weight': 16.0,
        f'{d}.attention_loss.loss_weight': 16.0,
    },
    'map losses x 4, DKD at the head': {
        f'{d}.feature_loss.loss_weight': 4.0,
        f'{d}.attention_loss.loss_weight': 4.0,
        **dkd,
    },
    'map losses x 16, DKD at the head': {
        f'{d}.feature_loss.loss_weight': 16.0,
        f'{d}.attention_loss.loss_weight': 16.0,
        **dkd,
    },
    # the number of modules (a ResNet8 has three blocks; its K = 3 is the row
    # of the maps behind the ReLU)
    'K = 2': {f'{d}.local_modules': None, f'{d}.num_modules': 2},
    # what the last module learns from
    'labels alone at the head': {kd: 0.0, label: 1.0},
    'logits alone at the head': {kd: 1.0, label: 0.0},
    'labels x 1 and logits at the head': {label: 1.0},
    'DKD at the head': dkd,
    'cut behind stage 1 only, DKD at the head': {
        f'{d}.local_modules.1.isolate': False,
        **dkd,
    },
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

# The literal reading's third boundary, with KD at the head as LAKD has it.
last = {
    label: 0.1,
    f'{d}.distill_losses.loss_kd.type': 'LogitsKDLoss',
    f'{d}.distill_losses.loss_kd.tau': 4.0,
    f'{d}.distill_losses.loss_kd.reduction': 'batchmean',
    kd: 0.9,
    f'{d}.local_modules.2.attention_loss': None,
    f'{d}.local_modules.2.feature_loss.type': 'LocalFeatureLoss',
}
for key, side, from_student in (
    ('preds_S', 'student', True),
    ('preds_T', 'teacher', False),
):
    mapping = f'{d}.loss_forward_mappings.loss_kd.{key}'
    last[f'{mapping}.recorder'] = 'logits'
    last[f'{mapping}.from_student'] = from_student
    last[f'{d}.{side}_recorders.logits.type'] = 'ModuleOutputs'
    last[f'{d}.{side}_recorders.logits.source'] = 'head.fc'
weight = f'{d}.local_modules.2.feature_loss.loss_weight'

lakd = 'configs/lakd/lakd_{pair}.py'
literal = 'configs/lakd_literal/lakd_literal_{pair}.py'
methods = [
    dict(title='alone', config='configs/teachers/{student}_{recipe}.py'),
    dict(title='KD', config='configs/kd/kd_{pair}.py'),
    dict(title='DKD', config='configs/dkd/dkd_{pair}.py'),
    dict(title='LAKD', config=lakd),
    dict(title='the literal reading', config=literal),
    dict(
        title='the last module taught, too',
        config=literal,
        options={**last, weight: 1.0},
    ),
    dict(
        title='the last module taught, too, x 0.1',
        config=literal,
        options={**last, weight: 0.1},
    ),
    *(dict(title=t, config=lakd, options=o) for t, o in rows.items()),
]
reference = 'LAKD'
del d, dkd, from_student, kd, key, label, lakd, last, literal, mapping
del recorder, rows, side, weight
