# LAKD over CWD. With model.distiller.local_modules=[] it is CWD alone.
_base_ = './pspnet_r18_1xb8_canvas.py'

custom_imports = dict(imports=['mmrazor_lakd'])

student = dict(_base_.model, _scope_='mmseg')
teacher = dict(
    student,
    backbone=dict(student['backbone'], depth=50),
    decode_head=dict(student['decode_head'], in_channels=512),
    auxiliary_head=dict(student['auxiliary_head'], in_channels=256),
)
model = dict(
    _delete_=True,
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    architecture=student,
    teacher=teacher,
    teacher_ckpt='work_dirs/pspnet_r50_1xb8_canvas/iter_1000.pth',
    distiller=dict(
        type='LAKDDistiller',
        input_size=96,
        local_modules=[
            dict(student='backbone.layer1', teacher='backbone.layer1'),
            dict(
                student='backbone.layer2',
                teacher='backbone.layer2',
                isolate=False,
            ),
            dict(
                student='backbone.layer3',
                teacher='backbone.layer3',
                isolate=False,
            ),
        ],
        student_recorders=dict(
            logits=dict(type='ModuleOutputs', source='decode_head.conv_seg')
        ),
        teacher_recorders=dict(
            logits=dict(type='ModuleOutputs', source='decode_head.conv_seg')
        ),
        distill_losses=dict(
            loss_cwd=dict(type='ChannelWiseDivergence', tau=1, loss_weight=5)
        ),
        loss_forward_mappings=dict(
            loss_cwd=dict(
                preds_S=dict(recorder='logits', from_student=True),
                preds_T=dict(recorder='logits', from_student=False),
            )
        ),
    ),
)
