# methods.py's and those with configs for two pairs alone.
_base_ = ['./methods.py']

methods = _base_.methods + [
    dict(
        title='KD, standardized',
        config='configs/kd/kd_{pair}_standardized.py',
    ),
    dict(
        title='DKD, standardized',
        config='configs/dkd/dkd_{pair}_standardized.py',
    ),
    dict(title='WTTM', config='configs/wttm/wttm_{pair}.py'),
    dict(title='SP', config='configs/sp/sp_{pair}.py'),
    dict(title='PKT', config='configs/pkt/pkt_{pair}.py'),
]
