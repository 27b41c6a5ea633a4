# cifar10_ablation with a teacher that hasn't seen the images which choose, as
# cifar10_held_out is for the larger pair; the strongest baseline of
# cifar10_tuning; and what could go with the mixture, the one row that was
# ahead with each seed and costs little.
_base_ = ['./cifar10_ablation.py']

title = 'A split that the teacher has not seen: CIFAR-10, ResNet20 -> ResNet8'
teacher_checkpoints = dict(_delete_=True)
teacher_options = _base_.options
rows = {m.title: m.get('options', {}) for m in _base_.methods}
mixture = 'fed a mixture, first half'
more = {
    'fed a mixture, three quarters': {'model.distiller.feed.fraction': 0.75},
    f'{mixture}, maps behind the ReLU': {
        **rows[mixture],
        **rows['maps behind the ReLU'],
    },
    f'{mixture}, ReviewKD by 16 channels, too': {
        **rows[mixture],
        **rows['ReviewKD of stages 2 and 3, too, at the head'],
        'model.distiller.connectors.review.max_mid_channels': 16,
    },
}
methods = _base_.methods + [
    dict(title='ReviewKD', config='configs/reviewkd/reviewkd_{pair}.py'),
    *(
        dict(title=t, config='configs/lakd/lakd_{pair}.py', options=o)
        for t, o in more.items()
    ),
]
del mixture, more, rows
