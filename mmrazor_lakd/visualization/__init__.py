"""Pictures of what the student learned from the teacher."""

from .map_figures import plot_ndam_maps
from .ndam_maps import collect_ndam_maps, map_correlation

__all__ = ['collect_ndam_maps', 'map_correlation', 'plot_ndam_maps']
