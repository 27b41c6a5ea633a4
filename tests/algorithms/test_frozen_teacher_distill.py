"""The teacher: frozen as a whole, and loaded exactly or not at all."""

import copy
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from conftest import LOGITS_KD, classifier, lakd, total
from mmengine.logging import MMLogger
from mmengine.model import BaseModel, convert_sync_batchnorm
from mmengine.runner import load_checkpoint, save_checkpoint
from mmpretrain.engine.hooks import SwitchRecipeHook
from mmpretrain.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mmrazor_lakd import SettingError
from mmrazor_lakd.algorithms import check_checkpoint
from mmrazor_lakd.algorithms.teacher_fusion.fuse import fuse


@pytest.fixture
def teacher_ckpt(tmp_path):
    """A checkpoint of a ResNet14."""
    torch.manual_seed(5)
    path = tmp_path / 'teacher.pth'
    model = MODELS.build(classifier(14))
    model.init_weights()
    save_checkpoint(dict(meta={}, state_dict=model.state_dict()), str(path))
    return path


def test_teacher_is_loaded_and_frozen(build, batch, teacher_ckpt):
    model = build(lakd(**LOGITS_KD), teacher_ckpt=str(teacher_ckpt))
    saved = torch.load(teacher_ckpt)['state_dict']
    assert not any(m.training for m in model.teacher.modules())
    assert model.student.training
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, saved[name]), name
    total(model(*batch, mode='loss')).backward()
    assert all(p.grad is None for p in model.teacher.parameters())


def test_a_distilled_student_can_be_the_teacher(build, tmp_path):
    first = build(lakd(), student=classifier(14), seed=1)
    path = tmp_path / 'distilled.pth'
    save_checkpoint(dict(state_dict=first.state_dict()), str(path))
    second = build(lakd(), teacher_ckpt=str(path), seed=2)
    for name, value in second.teacher.state_dict().items():
        assert torch.equal(value, first.student.state_dict()[name])


def test_testing_needs_no_teacher_file(build):
    """The file is asked for when training begins, not when building."""
    from mmrazor.registry import MODELS as RAZOR

    model = RAZOR.build(
        dict(
            _scope_='mmrazor',
            type='FrozenTeacherDistill',
            architecture=classifier(8),
            teacher=classifier(14),
            teacher_ckpt='missing.pth',
            distiller=lakd(),
        )
    )
    with pytest.raises(SettingError, match="teacher_ckpt='missing.pth' does"):
        model.init_weights()


def test_truncated_checkpoint(build, teacher_ckpt):
    data = teacher_ckpt.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 1):
        teacher_ckpt.write_bytes(data[:length])
        with pytest.raises(
            SettingError, match='is truncated or no checkpoint'
        ):
            build(lakd(), teacher_ckpt=str(teacher_ckpt))


def test_no_checkpoint_at_all(build, teacher_ckpt):
    teacher_ckpt.write_text('accuracy: 93.2')
    with pytest.raises(SettingError, match='no checkpoint of PyTorch'):
        build(lakd(), teacher_ckpt=str(teacher_ckpt))


def test_checkpoint_of_another_architecture(build, teacher_ckpt):
    with pytest.raises(SettingError) as error:
        build(lakd(), teacher=classifier(20), teacher_ckpt=str(teacher_ckpt))
    # three blocks of ten tensors that hold weights or statistics
    assert "than the teacher's: of" in str(error.value)
    assert '30 missing (first: backbone.layer1.2.conv1' in str(error.value)

    with pytest.raises(SettingError, match='of another shape.*conv1.weight'):
        build(
            lakd(),
            teacher=classifier('8x4', width=256),
            teacher_ckpt=str(teacher_ckpt),
        )


def test_check_checkpoint(build, teacher_ckpt):
    check_checkpoint(
        MODELS.build(classifier(14)), str(teacher_ckpt), '--resume'
    )
    with pytest.raises(SettingError, match='--resume=.*unexpected'):
        check_checkpoint(
            MODELS.build(classifier(8)), str(teacher_ckpt), '--resume'
        )


NORM = torch.nn.BatchNorm2d
NETWORKS = {
    'CIFARResNet': classifier(20),
    'ResNet': dict(
        type='ImageClassifier',
        backbone=dict(type='ResNet', depth=18, base_channels=8),
    ),
    'MobileNetV2': dict(
        type='ImageClassifier',
        backbone=dict(type='MobileNetV2', widen_factor=0.25),
    ),
    'ShuffleNetV2': dict(
        type='ImageClassifier',
        backbone=dict(type='ShuffleNetV2', widen_factor=0.5),
    ),
    'VGG': dict(
        type='ImageClassifier',
        backbone=dict(
            type='VGG', depth=11, norm_cfg=dict(type='BN'), num_classes=-1
        ),
    ),
}


def with_statistics(model):
    """Give the batch normalisations statistics as after a training."""
    generator = torch.Generator().manual_seed(3)
    for module in model.modules():
        if isinstance(module, NORM):
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.5, 0.5),
            ):
                tensor.uniform_(low, high, generator=generator)
    return model


@pytest.mark.parametrize('network', NETWORKS)
def test_folded_maps_equal_the_unfolded_ones(network):
    """To 1e-5 in float32, relative to each map's norm."""
    model = with_statistics(MODELS.build(NETWORKS[network])).eval()
    images = torch.randn(2, 3, 64, 64)
    names = [
        name
        for name, module in model.named_modules()
        if name and not isinstance(module, (NORM, torch.nn.Conv2d))
    ]

    def maps(model):
        found = []
        hooks = [
            model.get_submodule(name).register_forward_hook(
                # as it is now; an activation may overwrite it
                lambda m, i, output: found.append(copy.deepcopy(output))
            )
            for name in names
        ]
        with torch.no_grad():
            model(images)
        for hook in hooks:
            hook.remove()
        return found

    folded = copy.deepcopy(model)
    count, in_place = fuse(folded, lambda: list(folded(images)))
    norms = sum(isinstance(module, NORM) for module in model.modules())
    assert count == norms
    assert in_place == sum(
        getattr(module, 'inplace', None) is False for module in model.modules()
    )
    assert not any(isinstance(module, NORM) for module in folded.modules())
    expected = maps(model)
    assert len(expected) > 5
    for actual, value in zip(maps(folded), expected):
        if isinstance(value, torch.Tensor):
            assert (actual - value).norm() < 1e-5 * value.norm()


def test_what_cannot_be_folded_stays():
    """A normalisation before its convolution, and a map used twice."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1 = NORM(3)
            self.conv1 = torch.nn.Conv2d(3, 4, 1)
            self.norm2 = NORM(4)
            self.conv2 = torch.nn.Conv2d(4, 4, 1)
            self.norm3 = NORM(4)

        def forward(self, x):
            x = self.conv1(self.norm1(x))
            x = self.norm2(x).relu() + x
            return self.norm3(self.conv2(x))

    torch.manual_seed(0)
    net = with_statistics(Net()).eval()
    x = torch.randn(2, 3, 8, 8)
    expected = net(x)
    assert fuse(net, lambda: [net(x)]) == (0, 0)
    assert torch.equal(net(x), expected)


def test_the_teachers_losses_are_those_of_mmrazor(build, batch):
    """Folded, unfolded, and MMRazor's own algorithm."""
    results = []
    for type, options in (
        ('SingleTeacherDistill', {}),
        ('FrozenTeacherDistill', {}),
        ('FrozenTeacherDistill', dict(fuse_teacher=False)),
        ('FrozenTeacherDistill', dict(teacher_mode='loss')),
    ):
        model = build(lakd(**LOGITS_KD), type=type, **options)
        with_statistics(model.teacher)
        results.append(model(*batch, mode='loss'))
        folded = (
            type.startswith('Frozen')
            and options.get('fuse_teacher') is not False
        )
        assert folded != any(
            isinstance(module, NORM) for module in model.teacher.modules()
        )
    for losses in results[1:]:
        assert set(losses) == set(results[0])
        for name, value in losses.items():
            torch.testing.assert_close(
                value, results[0][name], rtol=1e-5, atol=1e-6, msg=name
            )


def test_a_recorded_convolution_is_not_folded(build, batch):
    """Its output would change."""
    recorded = dict(
        inner=dict(type='ModuleOutputs', source='backbone.layer1.0.conv1')
    )
    model = build(lakd(teacher_recorders=recorded))
    model(*batch, mode='loss')
    block = model.teacher.backbone.layer1[0]
    assert isinstance(block.bn1, NORM) and not isinstance(block.bn2, NORM)


def test_recorded_maps_are_not_overwritten(build, batch):
    """Those before an activation; every other activation is in place."""
    model = build(lakd())
    model(*batch, mode='loss')
    for number, stage in enumerate(model.teacher.backbone.children()):
        for name, module in stage.named_modules():
            if isinstance(module, torch.nn.ReLU):
                recorded = name == 'relu' and number in (3, 4)
                assert module.inplace != recorded, (number, name)


@pytest.mark.parametrize('last', [False, True])
def test_the_losses_get_maps_of_one_layout(build, batch, last):
    """The student's, while the teacher computes channels last."""
    model = build(lakd(feature_loss=dict(type='L1Loss')))
    if last:
        model.to(memory_format=torch.channels_last)
    seen = []
    model.distiller.teachings[0].losses['feature'].register_forward_pre_hook(
        lambda module, maps: seen.extend(maps)
    )
    for _ in range(2):
        model(*batch, mode='loss')
    assert len(seen) == 4
    for feature in seen:
        assert feature.is_contiguous(
            memory_format=torch.channels_last
            if last
            else torch.contiguous_format
        )
    weight = model.teacher.backbone.conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_a_map_that_two_recorders_hold_is_laid_once(build, batch):
    twice = dict(stage1=dict(type='ModuleOutputs', source='backbone.layer1'))
    twice['again'] = twice['stage1']
    # that of stage 2 is other data, and must not be taken for it
    twice['stage2'] = dict(type='ModuleOutputs', source='backbone.layer2')
    model = build(lakd(teacher_recorders=twice))
    model(*batch, mode='loss')  # from now on the teacher is channels last
    model._teacher_pass(*batch)
    stage1, again, stage2 = (
        model.distiller.teacher_recorders.get_recorder(name).get_record_data()
        for name in ('stage1', 'again', 'stage2')
    )
    assert stage1 is again and stage1.is_contiguous()
    assert stage2.shape != stage1.shape and stage2.is_contiguous()


def test_an_input_that_is_used_again_is_not_overwritten():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 1)
            self.relu = torch.nn.ReLU()

        def forward(self, x):
            x = self.conv(x)
            return x + self.relu(x)

    torch.manual_seed(0)
    net, x = Net().eval(), torch.randn(2, 3, 8, 8)
    expected = net(x)
    assert fuse(net, lambda: [net(x)]) == (0, 0)
    assert torch.equal(net(x), expected)


def test_the_images_are_not_overwritten():
    net, x = torch.nn.Sequential(torch.nn.ReLU()).eval(), torch.randn(2, 3)
    before = x.clone()
    assert fuse(net, lambda: [net(x)]) == (0, 0)
    assert torch.equal(x, before)


def test_dropout_and_drop_path_of_the_teacher_are_off(build, batch):
    teacher = classifier(14)
    teacher['neck'] = None
    teacher['backbone'] = dict(
        type='ConvNeXt', arch='atto', drop_path_rate=0.9
    )
    teacher['head'] = dict(
        type='LinearClsHead', num_classes=10, in_channels=320
    )
    distiller = dict(
        type='ConfigurableDistiller',
        **LOGITS_KD,
    )
    model = build(distiller, teacher=teacher)
    losses = [model(*batch, mode='loss') for _ in range(2)]
    name = 'distill.loss_kd'
    assert torch.equal(losses[0][name], losses[1][name])


def test_the_teacher_is_not_in_the_checkpoint(build, batch):
    model = build(lakd())
    keys = list(model.state_dict())
    assert keys and not any(key.startswith('teacher') for key in keys)
    assert not any('teacher' in name for name, _ in model.named_parameters())
    model.to(torch.float64)
    assert model.teacher.backbone.conv1.weight.dtype == torch.float64
    model(batch[0].double(), batch[1], mode='loss')
    assert list(model.state_dict()) == keys


def test_a_full_checkpoint_of_mmrazors_can_be_loaded(build, tmp_path):
    stock = build(lakd(), type='SingleTeacherDistill', seed=1)
    path = str(tmp_path / 'full.pth')
    save_checkpoint(dict(state_dict=stock.state_dict()), path)
    model = build(lakd(), seed=2)
    check_checkpoint(model, path, '--resume')
    load_checkpoint(model, path, strict=True)
    for role in ('student', 'teacher'):
        expected = getattr(stock, role).state_dict()
        for name, value in getattr(model, role).state_dict().items():
            assert torch.equal(value, expected[name]), (role, name)


def test_a_named_teacher_is_not_replaced(build, teacher_ckpt, tmp_path):
    stock = build(lakd(), type='SingleTeacherDistill', seed=1)
    model = build(lakd(), teacher_ckpt=str(teacher_ckpt))
    model.load_state_dict(stock.state_dict())
    saved = torch.load(teacher_ckpt)['state_dict']
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, saved[name])


def test_a_trainable_teacher_is_refused(build):
    with pytest.raises(SettingError, match="type='SingleTeacherDistill'"):
        build(lakd(), teacher_trainable=True)


def test_after_the_stop_the_teacher_rests(build, batch):
    """MMRazor's StopDistillHook: nothing is computed for it any more."""
    model = build(lakd(**LOGITS_KD))
    model(*batch, mode='loss')
    model.distillation_stopped = True  # what the hook sets
    model.teacher.forward = None
    losses = model(*batch, mode='loss')
    assert set(losses) == {'student.loss'}
    total(losses).backward()
    assert all(p.grad is not None for p in model.student.parameters())


def test_bbox_head_is_the_students(build):
    """As mmdet's YOLOXModeSwitchHook changes it."""
    model = build(lakd())
    assert not hasattr(model, 'bbox_head')
    model.student.bbox_head = torch.nn.Conv2d(1, 1, 1)
    model.bbox_head.use_l1 = True
    assert model.student.bbox_head.use_l1
    names = dict(model.named_modules())
    assert 'architecture.bbox_head' in names and 'bbox_head' not in names


def test_mmpretrains_hook_switches_the_students_loss(build):
    model = build(lakd(**LOGITS_KD))
    hook = SwitchRecipeHook(
        schedule=[
            dict(
                action_epoch=1,
                loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1),
            ),
        ]
    )
    runner = SimpleNamespace(model=model, logger=MMLogger('test'), epoch=0)
    hook.before_train_epoch(runner)
    found = model.student.head.loss_module
    assert type(found).__name__ == 'LabelSmoothLoss'
    assert model.head is model.student.head
    del model.student.head
    assert not hasattr(model, 'head')


@pytest.mark.parametrize(
    'settings, words',
    [
        (dict(teacher_norm_eval=False), 'write teacher_train_mode=True'),
        (
            dict(student_trainable=False),
            'write calculate_student_loss=False as well',
        ),
    ],
)
def test_settings_of_mmrazor_without_effect(build, settings, words):
    with pytest.raises(SettingError, match=words):
        build(lakd(), **settings)


def test_what_is_delivered_to_a_recomputed_student(build, batch):
    """In the backward pass it would be delivered no more."""
    delivered = dict(
        type='ConfigurableDistiller',
        distill_deliveries=dict(
            mixture=dict(
                type='FunctionOutputs',
                max_keep_data=1,
                func_path='mmrazor_lakd.distillers.curriculum.mixture',
            )
        ),
        **LOGITS_KD,
    )
    with pytest.raises(SettingError, match='has recompute, so that'):
        build(delivered, recompute=['blocks'])
    student = classifier(8)
    student['backbone'].update(type='ResNet_CIFAR', depth=18, with_cp=True)
    student['head']['in_channels'] = 512
    model = build(delivered, student=student)
    with pytest.raises(SettingError, match='has with_cp=True, or activation'):
        model(*batch, mode='loss')


@pytest.mark.skipif(
    not hasattr(torch.backends, 'fp32_precision'),
    reason='PyTorch has one interface before 2.9',
)
@pytest.mark.parametrize('fails', [False, True])
@pytest.mark.parametrize(
    'part', ['cuda.matmul', 'cudnn.conv', '', 'legacy', 'nothing']
)
def test_tf32_by_either_interface(part, fails):
    """PyTorch refuses to read one after the other was written."""
    script = f"""
import torch
from mmrazor_lakd.algorithms.first_step import _without_tf32
part = {part!r}
if part == 'legacy':
    torch.set_float32_matmul_precision('high')
elif part != 'nothing':
    names = ['torch.backends', part, 'fp32_precision = "tf32"']
    exec('.'.join(filter(None, names)))
backends = torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn
parts = [getattr(b, n, None) for b in backends for n in
         ('matmul', 'conv', 'rnn')]
def state():
    return [getattr(p, 'fp32_precision', None) for p in parts]
before = state()
try:
    with _without_tf32():
        assert 'tf32' not in state(), state()
        if {fails}:
            raise ArithmeticError
except ArithmeticError:
    pass
assert state() == before, (before, state())
"""
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_compiled_step_is_refused(build, batch):
    """As MMEngine's ``compile`` leaves it."""
    model = build(lakd())
    model.train_step = torch.compile(model.train_step)
    with pytest.raises(SettingError, match='leave compile out of the config'):
        model(*batch, mode='loss')
    # A method of the user's own in its place is none of our business.
    model.train_step = lambda data, optim_wrapper: None
    model(*batch, mode='loss')


@pytest.mark.parametrize(
    'name', ['teacher_train_mode', 'fuse_teacher', 'predict_teacher']
)
def test_switches_are_true_or_false(build, name):
    """A command line's ``no`` is text."""
    with pytest.raises(SettingError, match=f"no {name}='no'; choose one of"):
        build(lakd([]), **{name: 'no'})


@MODELS.register_module()
class TensorLabels(BaseModel):
    """A model of MMEngine's tutorial, whose labels are a tensor."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8, 10)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        """Classify images."""
        logits = self.fc(self.conv(inputs).mean((2, 3)))
        if mode == 'loss':
            return dict(loss=F.cross_entropy(logits, data_samples))
        return logits


@pytest.mark.parametrize('teacher_chunks', ['auto', 2])
def test_labels_that_are_a_tensor(build, teacher_chunks):
    def one(type, **kwargs):
        distiller = copy.deepcopy(LOGITS_KD)
        for recorders in ('student_recorders', 'teacher_recorders'):
            distiller[recorders]['logits']['source'] = 'fc'
        return build(
            dict(type='ConfigurableDistiller', **distiller),
            dict(type='mmpretrain.TensorLabels'),
            dict(type='mmpretrain.TensorLabels'),
            type=type,
            data_preprocessor=dict(type='mmengine.BaseDataPreprocessor'),
            **kwargs,
        )

    batch = torch.randn(4, 3, 8, 8), torch.arange(4)
    ours = one('FrozenTeacherDistill', teacher_chunks=teacher_chunks)
    theirs = one('SingleTeacherDistill')
    expected = theirs(*batch, mode='loss')
    found = ours(*batch, mode='loss')
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize('trains', [True, False])
def test_a_teacher_in_train_mode_is_synchronised(build, trains):
    """As MMEngine does it to the student, where sync_bn is set."""
    model = build(
        dict(type='ConfigurableDistiller', **copy.deepcopy(LOGITS_KD)),
        teacher_train_mode=trains,
    )
    before = copy.deepcopy(model.teacher.state_dict())
    ran = []
    norm = model.teacher.backbone.layer1[0].bn1
    norm.register_forward_hook(lambda *args: ran.append(norm))
    model = convert_sync_batchnorm(model, 'torch')
    model.eval()  # on a CPU they run in eval mode alone
    model._prepare(torch.randn(2, 3, 32, 32), None)
    kinds = {type(part) for part in model.teacher.modules()}
    assert (nn.SyncBatchNorm in kinds) == trains
    assert (nn.BatchNorm2d in kinds) != trains or not trains
    if trains:
        found = model.teacher.state_dict()
        assert all(torch.equal(found[k], v) for k, v in before.items())
        # Recorders' hooks are where they were.
        model.teacher.eval()
        model.teacher.extract_feat(torch.randn(2, 3, 32, 32))
        assert ran
