"""Connectors that bring a student's map to the shape of the teacher's."""

from .bridge_connector import BridgeConnector
from .embedding_connector import EmbeddingConnector
from .gaussian_connector import GaussianConnector
from .hint_connector import HintConnector
from .local_module_connector import LocalModuleConnector, match_size
from .margin_connector import MarginConnector, expected_negative
from .review_connector import ReviewConnector

__all__ = [
    'BridgeConnector',
    'EmbeddingConnector',
    'GaussianConnector',
    'HintConnector',
    'LocalModuleConnector',
    'MarginConnector',
    'ReviewConnector',
    'expected_negative',
    'match_size',
]
