# PKD: the maps of the feature pyramid are compared by their correlation.
# The weight is the one that MMRazor's configs have for RetinaNet.
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    'mmdet::_base_/default_runtime.py',
]

custom_imports = dict(imports=['mmrazor_lakd'])

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    architecture=dict(
        cfg_path='mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
    ),
    teacher=dict(cfg_path='mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/retinanet/'
    'retinanet_r50_fpn_1x_coco/retinanet_r50_fpn_1x_coco_20200130-c2398f9e.pth',
    distiller=dict(
        type='FeatureDistiller',
        student_recorders=dict(fpn=dict(type='ModuleOutputs', source='neck')),
        teacher_recorders=dict(fpn=dict(type='ModuleOutputs', source='neck')),
        distill_losses=dict(loss_pkd=dict(type='PKDLoss', loss_weight=10)),
        loss_forward_mappings=dict(
            loss_pkd=dict(
                preds_S=dict(recorder='fpn', from_student=True),
                preds_T=dict(recorder='fpn', from_student=False),
            )
        ),
    ),
)

optim_wrapper = dict(optimizer=dict(lr=0.01))
