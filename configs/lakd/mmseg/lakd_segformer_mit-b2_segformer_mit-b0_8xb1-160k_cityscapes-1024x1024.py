# LAKD over CWD. The head takes the maps of all four stages. That of stage 1 is
# the one behind which is cut, so that nothing passes around the cut; stage 1
# learns the teacher's map alone.
_base_ = 'mmseg::segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py'

custom_imports = dict(imports=['mmrazor_lakd'])

model = dict(
    _delete_=True,
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    architecture=dict(
        cfg_path='mmseg::segformer/'
        'segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py'
    ),
    teacher=dict(
        cfg_path='mmseg::segformer/'
        'segformer_mit-b2_8xb1-160k_cityscapes-1024x1024.py'
    ),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/'
    'segformer/segformer_mit-b2_8x1_1024x1024_160k_cityscapes/'
    'segformer_mit-b2_8x1_1024x1024_160k_cityscapes_20211207_134205-6096669a'
    '.pth',
    distiller=dict(
        type='LAKDDistiller',
        local_modules=[
            dict(student='backbone.layers.0.2', teacher='backbone.layers.0.2'),
            dict(
                student='backbone.layers.1.2',
                teacher='backbone.layers.1.2',
                isolate=False,
            ),
            dict(
                student='backbone.layers.2.2',
                teacher='backbone.layers.2.2',
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
