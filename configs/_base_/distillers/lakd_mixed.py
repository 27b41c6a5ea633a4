# What lies over LAKD for teacher and student of one width: maps behind the
# ReLU, and in the first half of the training every module is fed a mixture of
# the two networks' maps, from the teacher's to the student's.
lakd_mixed_distiller = dict(
    local_modules=[
        dict(student='backbone.layer1', teacher='backbone.layer1'),
        dict(
            student='backbone.layer2',
            teacher='backbone.layer2',
            isolate=False,
        ),
    ],
    feed=dict(fraction=0.5),
)
