"""Write the config of a method for a pair of networks."""

from .choose import Choice, choose, list_methods, list_pairs
from .place import config_path, configs_folder, find_choice
from .write import config_text, write_config

__all__ = [
    'Choice',
    'choose',
    'config_path',
    'config_text',
    'configs_folder',
    'find_choice',
    'list_methods',
    'list_pairs',
    'write_config',
]
