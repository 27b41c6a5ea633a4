"""Build what a config describes before it is written."""

from pathlib import Path
from tempfile import NamedTemporaryFile

from mmengine.registry import DefaultScope
from mmrazor.registry import MODELS

from ...config_check import read_config_file


def check_builds(text: str, folder: Path) -> None:
    """Raise if the algorithm of a config can't be built.

    Its distiller runs both networks on an image then, and refuses maps that
    it can't compare.

    Args:
        text (str): The text of the config.
        folder (Path): The folder of the config, which is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile('w', dir=folder, suffix='.py') as file:
        file.write(text)
        file.flush()
        cfg = read_config_file(file.name)
    if cfg.get('data_preprocessor') is not None:
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        MODELS.build(cfg.model)
