"""Configs of distillations of networks from configs of the user's."""

from .config import own_config_text

__all__ = ['own_config_text']
