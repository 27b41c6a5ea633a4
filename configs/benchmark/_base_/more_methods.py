# methods.py's and those with configs for two pairs alone. SimKD's and NORM's
# students have other heads, and MLKD's other data: each row says so.
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
    dict(title='KD, scales', config='configs/kd/kd_{pair}_scales.py'),
    dict(title='DKD, scales', config='configs/dkd/dkd_{pair}_scales.py'),
    dict(title='WTTM', config='configs/wttm/wttm_{pair}.py'),
    dict(title='RLD', config='configs/rld/rld_{pair}.py'),
    dict(title='WKD-L', config='configs/wkd_l/wkd_l_{pair}.py'),
    dict(title='WKD-F', config='configs/wkd_f/wkd_f_{pair}.py'),
    dict(title='SP', config='configs/sp/sp_{pair}.py'),
    dict(title='PKT', config='configs/pkt/pkt_{pair}.py'),
    dict(title='VID', config='configs/vid/vid_{pair}.py'),
    dict(title='NST', config='configs/nst/nst_{pair}.py'),
    dict(title='CC', config='configs/cc/cc_{pair}.py'),
    dict(title='SRRL', config='configs/srrl/srrl_{pair}.py'),
    dict(title='CAT-KD', config='configs/catkd/catkd_{pair}.py'),
    dict(title='FCFD', config='configs/fcfd/fcfd_{pair}.py'),
    dict(title='local learning', config='configs/local/local_{pair}.py'),
    dict(title='blockwise', config='configs/blockwise/blockwise_{pair}.py'),
    dict(title='SimKD, another head', config='configs/simkd/simkd_{pair}.py'),
    dict(title='NORM, another head', config='configs/norm/norm_{pair}.py'),
    dict(
        title='MLKD, two views',
        config='configs/mlkd/mlkd_{pair}.py',
        differs=['train_dataloader'],
    ),
]
