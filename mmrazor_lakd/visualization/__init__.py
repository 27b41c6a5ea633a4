"""Figures of what the student learned from the teacher."""

from ..analysis.map_figures import plot_ndam_maps
from .ndam_maps import collect_ndam_maps

__all__ = ['collect_ndam_maps', 'plot_ndam_maps']
