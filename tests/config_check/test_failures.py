"""Sentences about what can't be built."""

import pytest
from conftest import classifier
from mmengine.config import Config
from mmengine.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.config_check.first_iteration import explained


@pytest.mark.parametrize('kind', [5, 0.5, (1, 2), dict(type='ReLU')])
def test_a_type_that_is_no_name(kind):
    """The explanation itself failed."""
    cfg = Config(dict(model=dict(classifier(8), neck=dict(type=kind))))
    with pytest.raises(SettingError, match=r'^model\.neck .*type'):
        with explained(cfg):
            MODELS.build(cfg.model)
