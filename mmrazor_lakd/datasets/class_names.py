"""The names of a data set's classes."""

from typing import Any, Dict, List, Optional

from mmengine.registry import DATASETS


def named_classes(
    dataset: Dict[str, Any],
    checkpoint: Dict[str, Any],
    scope: Optional[str] = None,
) -> List[str]:
    """Return the names of the classes, without reading the data.

    Args:
        dataset (dict): Config of the data set.
        checkpoint (dict): From a training on it.
        scope (str, optional): Scope of its type. Defaults to None:
            mmpretrain's.

    Returns:
        list[str]: Empty if there are none.
    """
    known = dataset.get('type')
    if isinstance(known, str):
        with DATASETS.switch_scope_and_registry(scope or 'mmpretrain') as own:
            known = own.get(known)
    for source in (
        dataset,
        dataset.get('metainfo') or {},
        checkpoint.get('meta', {}).get('dataset_meta') or {},
        getattr(known, 'METAINFO', {}),
    ):
        classes = source.get('classes')
        if classes and not isinstance(classes, str):
            return [str(name) for name in classes]
    return []
