"""Build parts from configs, with arguments inferred from the models."""

from inspect import signature
from typing import Any, Dict, List, Optional, Tuple, Union

import torch
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError
from ..tracing.modules import eval_mode

Shape = Tuple[int, ...]


def shape_arguments(
    in_shape: Union[Shape, List[Shape]], out_shape: Union[Shape, List[Shape]]
) -> Dict[str, Any]:
    """Return two shapes under all argument names that connectors use.

    Args:
        in_shape (tuple | list[tuple]): Shape (C, H, W) of a connector's
            input, or a list of shapes.
        out_shape (tuple | list[tuple]): The same of what its output is
            compared with.

    Returns:
        dict: Arguments of our and MMRazor's connectors.
    """
    if isinstance(in_shape, list):
        return dict(in_shapes=in_shape, out_shapes=out_shape)
    arguments: Dict[str, Any] = dict(in_shape=in_shape, out_shape=out_shape)
    for name in ('channel', 'channels'):
        arguments[f'in_{name}'] = in_shape[0]
        arguments[f'out_{name}'] = out_shape[0]
    return arguments


def fill_in(cfg: Dict, **known: Any) -> Dict:
    """Add the arguments that a part's class takes and its config lacks.

    Args:
        cfg (dict): Config of the part.
        known (Any): Arguments by name; those that the class doesn't take are
            left out.
    """
    kind = cfg.get('type')
    cls = MODELS.get(kind) if isinstance(kind, str) else kind
    accepted = signature(cls).parameters if cls else {}
    return {**{k: v for k, v in known.items() if k in accepted}, **cfg}


def build_part(cfg: Optional[Dict], **known: Any) -> nn.Module:
    """Build a part in MMRazor's scope, regardless of the config's.

    Args:
        cfg (dict, optional): Its config; None for the identity.
        known (Any): See :func:`fill_in`.
    """
    if cfg is None:
        return nn.Identity()
    return MODELS.build({'_scope_': 'mmrazor', **fill_in(cfg, **known)})


def build_connector(
    cfg: Optional[Dict], index: int, s_shape: torch.Size, t_shape: torch.Size
) -> nn.Module:
    """Build a module's connector and check that it aligns the widths.

    Args:
        cfg (dict, optional): Its config; None for maps of equal width.
        index (int): Index of its entry in ``local_modules``.
        s_shape (torch.Size): Shape (N, C, H, W) of the student's map.
        t_shape (torch.Size): The same of the teacher's map.

    Raises:
        SettingError: If the connector's output width isn't the teacher's.
    """
    s_width, t_width = s_shape[1], t_shape[1]
    connector = build_part(cfg, **shape_arguments(s_shape[1:], t_shape[1:]))
    try:
        with eval_mode(connector), torch.no_grad():
            width = connector(torch.zeros(s_shape)).shape[1]
        reason = f'gives {width}'
    except RuntimeError as error:
        width = None
        reason = f'fails ({str(error).splitlines()[0]})'
    if width != t_width:
        kind = 'None' if cfg is None else cfg['type']
        raise SettingError(
            f"local_modules[{index}]: the student's map has "
            f"{s_width} channels and the teacher's {t_width}, but "
            f'connector={kind} {reason}; write '
            f"connector=dict(type='LocalModuleConnector') without widths, "
            f'which finds them by itself.'
        )
    return connector
