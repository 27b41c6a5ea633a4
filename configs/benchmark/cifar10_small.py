# All methods on all of CIFAR-10, for a CPU with fast bfloat16: a training is
# about 13 minutes of one core, the suite eleven hours of two.
_base_ = ['./_base_/more_methods.py']

title = 'CIFAR-10, ResNet20 -> ResNet8, a short budget'
pairs = ['resnet20_resnet8_1xb128_cifar10']
epochs = 10
teacher_epochs = 20
methods = _base_.methods + [
    # Its maps lie behind the ReLU, too. Chosen by cifar10_small_held_out.
    dict(
        title='LAKD, fed a mixture',
        config='configs/lakd/lakd_{pair}.py',
        options={
            'model.distiller': {
                'feed.fraction': 0.5,
                'local_modules.0.student': 'backbone.layer1',
                'local_modules.0.teacher': 'backbone.layer1',
                'local_modules.1.student': 'backbone.layer2',
                'local_modules.1.teacher': 'backbone.layer2',
            }
        },
    ),
    # the weight published for ResNet56 -> ResNet20
    dict(
        title='ReviewKD, weight 0.6',
        config='configs/reviewkd/reviewkd_{pair}.py',
        options={
            'model.distiller.distill_losses.loss_review.loss.loss_weight': 0.6
        },
    ),
]
# Half of the others' learning rate, as its authors have for ResNets; and the
# distances of classes that WKD-L's authors take on CIFAR, of the teacher in
# docs/lab/results (configs/wkd_l/README.md).
own = {
    'MLKD, two views': {'optim_wrapper.optimizer.lr': 0.1},
    'WKD-L': {
        'model.distiller.distill_losses.loss_wkd.cost_matrix': (
            'docs/lab/results/cifar10_small/teachers/resnet20_costs.pth'
        ),
    },
}
for method in methods:
    if method['title'] in own:
        method['options'] = own[method['title']]
del own, method
