"""A learned embedding of the pooled features."""

from typing import Dict, List, Optional, Union

import torch
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import nn

from ..errors import check_size


@MODELS.register_module()
class EmbeddingConnector(BaseConnector):
    """Maps the pooled features of a network to a space that both share.

    A linear layer; MMRazor's ``CRDConnector`` is one whose output is brought
    to length 1.

    Source: CC's embedding in github.com/HobbitLong/RepDistiller.

    Args:
        dim_in (int): Length of the features, which
            :class:`~mmrazor_lakd.distillers.FeatureDistiller` finds.
        dim_out (int): Length of the embedding. Defaults to 128.
        init_cfg (dict | list, optional): Initialisation. Defaults to
            PyTorch's.

    Raises:
        SettingError: If a length is no whole number above 0.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.connectors import EmbeddingConnector
        >>> connector = EmbeddingConnector(64)
        >>> connector(torch.rand(2, 64, 1, 1)).shape
        torch.Size([2, 128])
    """

    def __init__(
        self,
        dim_in: int,
        dim_out: int = 128,
        init_cfg: Optional[Union[Dict, List]] = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, size in (('dim_in', dim_in), ('dim_out', dim_out)):
            check_size('EmbeddingConnector', name, size, example=128)
        self.linear = nn.Linear(dim_in, dim_out)

    def forward_train(self, feature: torch.Tensor) -> torch.Tensor:
        """Map (N, dim_in) or (N, dim_in, 1, 1) to (N, dim_out)."""
        return self.linear(feature.flatten(1))
