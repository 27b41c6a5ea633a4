# The student alone, the baselines and LAKD; {pair}, {student} and {recipe}
# stand for parts of a pair's name, teacher_student_recipe.
methods = [
    dict(title='alone', config='configs/teachers/{student}_{recipe}.py'),
    dict(title='KD', config='configs/kd/kd_{pair}.py'),
    dict(title='FitNet', config='configs/fitnet/fitnet_{pair}.py'),
    dict(title='AT', config='configs/at/at_{pair}.py'),
    dict(title='RKD', config='configs/rkd/rkd_{pair}.py'),
    dict(title='OFD', config='configs/ofd/ofd_{pair}.py'),
    dict(title='CRD', config='configs/crd/crd_{pair}.py'),
    dict(title='ReviewKD', config='configs/reviewkd/reviewkd_{pair}.py'),
    dict(title='DKD', config='configs/dkd/dkd_{pair}.py'),
    dict(title='DIST', config='configs/dist/dist_{pair}.py'),
    dict(title='LAKD', config='configs/lakd/lakd_{pair}.py'),
    dict(
        title='LAKD, literal',
        config='configs/lakd/lakd_{pair}_literal.py',
    ),
]
# The others are compared with it.
reference = 'KD'
seeds = [0, 1, 2]
# None: as many as the configs say.
epochs = None
teacher_epochs = None
# Where a trained teacher is, by the name of its config, from the project's
# folder; one without a path, or with None, is trained.
teacher_checkpoints = dict()
# Settings of every teacher's and of every student's training, as key=value of
# tools/train.py's --cfg-options.
teacher_options = dict()
options = dict()
# Threads of PyTorch on the CPU, of each training.
threads = 1
