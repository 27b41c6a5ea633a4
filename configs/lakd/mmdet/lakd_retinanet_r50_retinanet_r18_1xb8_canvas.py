# LAKD over PKD. With model.distiller.local_modules=[] it is PKD alone.
_base_ = './retinanet_r18_1xb8_canvas.py'

custom_imports = dict(imports=['mmrazor_lakd'])

student = dict(_base_.model, _scope_='mmdet')
teacher = dict(
    student,
    backbone=dict(student['backbone'], depth=50),
    neck=dict(student['neck'], in_channels=[64, 128, 256, 512]),
)
model = dict(
    _delete_=True,
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    architecture=student,
    teacher=teacher,
    teacher_ckpt='work_dirs/retinanet_r50_1xb8_canvas/epoch_8.pth',
    distiller=dict(
        type='LAKDDistiller',
        input_size=96,
        local_modules=[
            dict(student='backbone.layer1', teacher='backbone.layer1')
        ],
        student_recorders=dict(fpn=dict(type='ModuleOutputs', source='neck')),
        teacher_recorders=dict(fpn=dict(type='ModuleOutputs', source='neck')),
        distill_losses=dict(loss_pkd=dict(type='PKDLoss', loss_weight=6)),
        loss_forward_mappings=dict(
            loss_pkd=dict(
                preds_S=dict(recorder='fpn', from_student=True),
                preds_T=dict(recorder='fpn', from_student=False),
            )
        ),
    ),
)
