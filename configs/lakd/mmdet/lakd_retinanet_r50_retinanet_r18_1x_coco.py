# LAKD over PKD. Stage 1 is frozen and can't learn; stage 2 is cut off and
# learns the teacher's map alone. It is the first level of the feature
# pyramid, to which everything comes through that map; behind stage 3 or 4
# alone no cut is possible, since the levels before pass around it.
_base_ = './pkd_retinanet_r50_retinanet_r18_1x_coco.py'

model = dict(
    distiller=dict(
        type='LAKDDistiller',
        local_modules=[
            dict(student='backbone.layer2', teacher='backbone.layer2')
        ],
    )
)
