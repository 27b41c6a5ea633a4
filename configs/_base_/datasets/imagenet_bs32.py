# mmpretrain's ImageNet. MMRazor's algorithms need the preprocessor's type.
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs32.py'

data_preprocessor = dict(type='mmpretrain.ClsDataPreprocessor')
