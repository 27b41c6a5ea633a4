"""Write the config of a method for a pair, of this project or the user's."""

from .choose import Choice, choose, list_methods, list_pairs
from .own_pair import own_config_text
from .place import config_path, configs_folder, find_choice
from .write import check_path, config_text, write_config, write_text

__all__ = [
    'Choice',
    'check_path',
    'choose',
    'config_path',
    'config_text',
    'configs_folder',
    'find_choice',
    'list_methods',
    'list_pairs',
    'own_config_text',
    'write_config',
    'write_text',
]
