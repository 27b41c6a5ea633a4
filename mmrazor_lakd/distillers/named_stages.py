"""Expand ``stages`` in a distiller's config.

A config that names stages is expanded, once the networks are known, to the
recorders, losses and mappings of MMRazor. The expansion depends only on
configs and declared stages, so that both forms of a config have the same
digest, which a suite computes from the expanded one.
"""

from inspect import Parameter
from pprint import pformat
from typing import Any, Dict, List, Tuple

from mmpretrain.registry import MODELS
from mmrazor.registry import MODELS as MMRAZOR

from ..backbones.stages import Stages
from ..errors import SettingError, nearest
from ..losses.checks import init_parameters
from .stage_maps import (
    ROLES,
    check_maps,
    common_names,
    map_source,
    pair_stages,
    stages_of,
)

#: the parts of a config to which stages are expanded
PARTS = (
    'student_recorders',
    'teacher_recorders',
    'connectors',
    'distill_losses',
    'loss_forward_mappings',
)
STAGES_KEYS = (
    'maps',
    *ROLES,
    'first',
    'last',
    'pooled',
    'together',
    'decay',
    'connector',
    'teacher_connector',
)
LOCAL_KEYS = ('maps', 'rest', 'last')
#: what the value of a key has to be, beside those that have their own check
TYPES: Dict[str, Tuple[str, Tuple[type, ...]]] = dict(
    first=('a whole number', (int,)),
    last=('a whole number', (int,)),
    pooled=('True or False', (bool,)),
    together=('True or False', (bool,)),
    decay=('a number', (float, int, type(None))),
    connector=('the name of a connector', (str, type(None))),
    teacher_connector=('the name of a connector', (str, type(None))),
)


def names_stages(distiller: Dict[str, Any]) -> bool:
    """Check whether a distiller's config has something to expand."""
    return distiller.get('stages') is not None or isinstance(
        distiller.get('local_modules'), dict
    )


def expand_stages(
    distiller: Dict[str, Any], student: Stages, teacher: Stages
) -> Dict[str, Any]:
    """Expand the stages in the config of a distiller.

    Args:
        distiller (dict): Config of a :class:`FeatureDistiller` or an
            :class:`LAKDDistiller`; for its keys see there.
        student (Stages): Stages of the student.
        teacher (Stages): Stages of the teacher.

    Returns:
        dict: The config with recorders and mappings instead of ``stages``,
        and a list instead of a dict as ``local_modules``; a config without
        either is returned unchanged.

    Raises:
        SettingError: If a value is invalid, a name is taken, or the networks'
            stages don't match.
    """
    expanded = dict(distiller)
    if isinstance(distiller.get('local_modules'), dict):
        expanded['local_modules'] = expand_local_modules(
            distiller['local_modules'], student, teacher
        )
    stages = expanded.pop('stages', None)
    if stages is None:
        return expanded
    spec = read_stages(stages)
    mappings = distiller.get('loss_forward_mappings') or {}
    losses = {
        name: loss
        for name, loss in (distiller.get('distill_losses') or {}).items()
        if name not in mappings
    }
    if not losses:
        raise SettingError(
            f'stages={stages!r} has no loss to compare the maps; give '
            f'distill_losses one without an entry in loss_forward_mappings, '
            f"dict(loss_at=dict(type='AttentionTransferLoss')), for example."
        )
    sources = _sources(spec, list(losses), student, teacher)
    added = _recorders(sources)
    added.update(_losses(spec, losses, list(sources), distiller))
    for kind, parts in added.items():
        templates = {*losses, *_connectors(spec).values()}
        kept = {
            name: part
            for name, part in (distiller.get(kind) or {}).items()
            if name not in templates
        }
        twice = sorted(set(kept) & set(parts))
        if twice:
            raise SettingError(
                f"{kind} has '{twice[0]}', which stages={stages!r} adds, "
                f'too; rename it, or leave one of the two out.'
            )
        if kept or parts:
            expanded[kind] = {**kept, **parts}
    # MMRazor's own distiller is enough if nothing of ours is left.
    ours = ('connectors', 'input_size')
    if distiller.get('type') == 'FeatureDistiller' and not any(
        expanded.get(name) for name in ours
    ):
        expanded['type'] = 'ConfigurableDistiller'
    return expanded


def expand_model(model: Dict[str, Any]) -> Dict[str, Any]:
    """Expand the stages in the config of an algorithm.

    Args:
        model (dict): With ``architecture`` and ``teacher``, whose backbones
            are of registered classes.

    Returns:
        dict: The config, whose distiller names no stages.

    Raises:
        SettingError: As in :func:`expand_stages`, or if a backbone declares
            no stages.
    """
    distiller = model.get('distiller') or {}
    if not names_stages(distiller):
        return model
    stages = {}
    for role, key in zip(ROLES, ('architecture', 'teacher')):
        backbone = (model.get(key) or {}).get('backbone') or {}
        kind = backbone.get('type')
        stages[role] = stages_of(kind and MODELS.get(kind), role)
    return {**model, 'distiller': expand_stages(distiller, **stages)}


def describe_expansion(expanded: Dict[str, Any]) -> str:
    """Format an expanded config so that it can be pasted."""
    text = pformat(expanded, width=76, sort_dicts=False)
    return f'The distiller, with its stages written out:\n{text}'


def expand_local_modules(
    entries: Dict[str, Any], student: Stages, teacher: Stages
) -> List[Dict]:
    """List the boundaries of LAKD after the stages that both networks have.

    Args:
        entries (dict): With ``maps``, and optionally ``rest``, ``last`` and
            numbers; see :class:`LAKDDistiller`.
        student (Stages): Stages of the student.
        teacher (Stages): Stages of the teacher.

    Raises:
        SettingError: If a key or the kind of maps is unknown, or the last
            stages have different names.
    """
    own = {key: entries[key] for key in entries if str(key).isdecimal()}
    common = {key: entries[key] for key in entries if key not in own}
    _check_keys('local_modules', common, LOCAL_KEYS)
    maps = entries.get('maps')
    check_maps('local_modules', 'maps', maps)
    for key, entry in entries.items():
        if key != 'maps' and not isinstance(entry, (dict, type(None))):
            raise SettingError(
                f'local_modules has {key}={entry!r}; write a dict with keys '
                f'of a boundary, {key}=dict(isolate=False), for example.'
            )
    names = common_names(student.names, teacher.names)
    if 'last' not in entries:
        names.pop()
    listed: List[Dict] = [
        dict(
            student=map_source(student, name, maps),
            teacher=map_source(teacher, name, maps),
        )
        for name in names
    ]
    for entry in listed[1:]:
        entry.update(entries.get('rest') or {})
    if 'last' in entries:
        listed[-1].update(entries['last'] or {})
    for key, entry in own.items():
        if int(key) >= len(listed):
            raise SettingError(
                f'local_modules has an entry {key}, but there are '
                f'{len(listed)} boundaries, counted from 0; name one of them.'
            )
        listed[int(key)].update(entry or {})
    return listed


def read_stages(stages: Any) -> Dict[str, Any]:
    """Convert ``stages`` to a dict, and check it."""
    spec = dict(maps=stages) if isinstance(stages, str) else stages
    if not isinstance(spec, dict):
        raise SettingError(
            f"FeatureDistiller has stages={stages!r}; write 'preact', "
            f"'output', or dict(student='output', teacher='preact')."
        )
    _check_keys('stages', spec, STAGES_KEYS)
    for key, (words, kinds) in TYPES.items():
        # True is an int for Python
        if key in spec and type(spec[key]) not in kinds:
            raise SettingError(
                f'stages has {key}={spec[key]!r}, but {words} is expected.'
            )
    spec = {**{role: spec.get('maps') for role in ROLES}, **spec}
    for role in ROLES:
        check_maps('stages', role, spec[role])
    return spec


def _check_keys(where: str, given: Dict, known: Tuple[str, ...]) -> None:
    """Raise if a dict has an unknown key."""
    for key in given:
        if key not in known:
            raise SettingError(
                f"{where} has an unknown key '{key}'; the nearest ones are: "
                f'{nearest(key, known)}.'
            )


def _sources(
    spec: Dict[str, Any], losses: List[str], student: Stages, teacher: Stages
) -> Dict[str, Tuple[str, str]]:
    """Return the student's and the teacher's module for each recorder."""
    pairs = pair_stages(spec, student, teacher)
    first, last = (
        number + len(pairs) + 1 if number < 0 else number
        for number in (spec.get('first', 1), spec.get('last', -1))
    )
    if not 1 <= first <= last <= len(pairs):
        raise SettingError(
            f'stages has first={first} and last={last}, but the networks '
            f'have the stages 1 to {len(pairs)}; name some of them.'
        )
    sources = {
        f'stage{number}': pair
        for number, pair in enumerate(pairs, 1)
        if first <= number <= last
    }
    if spec.get('pooled'):
        sources['pooled'] = ('neck.gap', 'neck.gap')
    elif first == last:
        # A single map is named after its loss: `hint` for `loss_hint`.
        sources = {losses[0].replace('loss_', '', 1): sources.popitem()[1]}
    return sources


def _recorders(sources: Dict[str, Tuple[str, str]]) -> Dict[str, Dict]:
    """Return the recorders of both models."""
    return {
        f'{role}_recorders': {
            name: dict(type='ModuleOutputs', source=source[index])
            for name, source in sources.items()
        }
        for index, role in enumerate(ROLES)
    }


def _connectors(spec: Dict[str, Any]) -> Dict[str, str]:
    """Return the connector's name for each role that has one."""
    keys = dict(zip(ROLES, ('connector', 'teacher_connector')))
    return {role: spec[key] for role, key in keys.items() if spec.get(key)}


def _losses(
    spec: Dict[str, Any],
    losses: Dict[str, Dict],
    recorders: List[str],
    distiller: Dict[str, Any],
) -> Dict[str, Dict]:
    """Return connectors, losses and mappings, per map or for all together."""
    together = bool(spec.get('together'))
    if together:
        rows: List[Tuple[str, Any]] = [('', recorders)]
    else:
        # `stage2` gives `loss_at2`; other maps have no number.
        rows = [(name.replace('stage', ''), name) for name in recorders]
        if len(rows) == 1:
            rows = [('', recorders[0])]
    plural = 's' if together else ''
    added: Dict[str, Dict[str, Any]] = dict(
        connectors={}, distill_losses={}, loss_forward_mappings={}
    )
    for place, (number, recorder) in enumerate(rows):
        mapping = {}
        for role in ROLES:
            record = dict(recorder=recorder, from_student=role == 'student')
            name = _connectors(spec).get(role)
            if name:
                given = distiller.get('connectors') or {}
                if name not in given:
                    raise SettingError(
                        f"stages has the connector '{name}', which is not "
                        f'among connectors; the nearest ones are: '
                        f'{nearest(name, given)}.'
                    )
                record['connector'] = f'{name}{number}'
                added['connectors'][f'{name}{number}'] = given[name]
            mapping[f'{role[0]}_feature{plural}'] = record
        for name, loss in losses.items():
            if spec.get('decay') is not None:
                loss = _scaled(loss, spec['decay'] ** (len(rows) - 1 - place))
            added['distill_losses'][f'{name}{number}'] = loss
            added['loss_forward_mappings'][f'{name}{number}'] = mapping
    return added


def _scaled(loss: Dict[str, Any], factor: float) -> Dict[str, Any]:
    """Multiply a loss's weight, or that of the loss which it wraps."""
    kind = loss.get('type')
    cls = MMRAZOR.get(kind) if isinstance(kind, str) else kind
    known = init_parameters(cls) if isinstance(cls, type) else {}
    if isinstance(loss.get('loss'), dict) and 'loss_weight' not in known:
        return {**loss, 'loss': _scaled(loss['loss'], factor)}
    own = getattr(known.get('loss_weight'), 'default', 1.0)
    if own is Parameter.empty:
        own = 1.0
    return {**loss, 'loss_weight': loss.get('loss_weight', own) * factor}
