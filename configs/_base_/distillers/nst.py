# NST: Huang and Wang, "Like What You Like: Knowledge Distill via Neuron
# Selectivity Transfer". All stages, weight 50, cross-entropy 1: RepDistiller
# (`--distill nst -a 0 -b 50`) and mdistiller.
nst_distiller = dict(
    type='FeatureDistiller',
    stages='output',
    distill_losses=dict(
        loss_nst=dict(type='NeuronSelectivityLoss', loss_weight=50.0)
    ),
)
