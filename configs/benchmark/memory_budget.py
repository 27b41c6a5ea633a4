# What a given amount of memory buys: cifar10_published_teacher's pair, its
# methods as they are, with their blocks and stem recomputed in the backward
# pass, and with half of the batch, accumulated over two steps; and LAKD, alone
# and over OFD, with its config's one cut and with num_modules of 1, 2 and 4.
# Recomputation changes no gradient, so that those rows aren't trained. Time
# and memory are those of --cost; a step of an accumulated row is half a batch.
_base_ = ['./cifar10_published_teacher.py']

title = 'CIFAR-10, ResNet56 -> ResNet20, by memory'
seeds = [0, 1, 2]

d = 'model.distiller'
recomputed = {'model.recompute': ['blocks', 'stem']}
accumulated = {
    'train_dataloader.batch_size': 64,
    'optim_wrapper.accumulative_counts': 2,
}
review = {f'{d}.distill_losses.loss_review.loss.loss_weight': 5.0}
known = [
    ('KD', 'configs/kd/kd_{pair}.py', {}),
    ('DKD', 'configs/dkd/dkd_{pair}.py', {}),
    ('OFD', 'configs/ofd/ofd_{pair}.py', {}),
    ('ReviewKD, weight 5', 'configs/reviewkd/reviewkd_{pair}.py', review),
]
ours = [
    ('LAKD', 'configs/lakd/lakd_{pair}.py'),
    ('LAKD, OFD', 'configs/lakd/lakd_{pair}_ofd.py'),
]
methods = []
for name, config, own in known:
    for suffix, more in (
        ('', {}),
        (', recomputed', recomputed),
        (', accumulated', accumulated),
    ):
        methods.append(
            dict(title=name + suffix, config=config, options={**own, **more})
        )
for name, config in ours:
    for count in (None, 1, 2, 4):
        cuts, label = {}, name
        if count:
            cuts = {f'{d}.local_modules': None, f'{d}.num_modules': count}
            label = f'{name}, K = {count}'
        for suffix, more in (('', {}), (', recomputed', recomputed)):
            methods.append(
                dict(
                    title=label + suffix,
                    config=config,
                    options={**cuts, **more},
                )
            )
for method in methods:
    if method['title'].endswith(', recomputed'):
        method['same_as'] = method['title'][: -len(', recomputed')]
del d, recomputed, accumulated, review, known, ours, method
del name, config, own, suffix, more, count, cuts, label
