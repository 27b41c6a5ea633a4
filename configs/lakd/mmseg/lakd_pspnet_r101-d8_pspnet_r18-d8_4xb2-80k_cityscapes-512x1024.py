# LAKD over CWD. The stem and stage 1 are cut off and learn the teacher's map
# alone. The heads take the maps of stages 3 and 4, to which everything comes
# through that of stage 1.
_base_ = './cwd_pspnet_r101-d8_pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'

model = dict(
    distiller=dict(
        type='LAKDDistiller',
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
    )
)
