"""Pictures of what the student learned from the teacher."""

from .ndam_maps import collect_ndam_maps, map_correlation, plot_ndam_maps

__all__ = ['collect_ndam_maps', 'map_correlation', 'plot_ndam_maps']
