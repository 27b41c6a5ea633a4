# DIST as its authors train it on ImageNet, and as MMRazor has it: T 1.
_base_ = './dist.py'

dist_distiller = dict(distill_losses=dict(loss_dist=dict(tau=1.0)))
