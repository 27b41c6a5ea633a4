"""Pair the student's blocks with the teacher's blocks of the same depth."""

from itertools import groupby
from math import log
from typing import List

from ..tracing.blocks import Block


def pair_blocks(student: List[Block], teacher: List[Block]) -> List[Block]:
    """Find for each block of the student the teacher's of the same depth.

    Consecutive blocks whose maps have the same size form a stage. Equal
    numbers of stages are paired in order; otherwise a stage is paired with
    the teacher's of the nearest map size relative to the image, and stages
    paired with the same one count as one. Within a stage, block i of n is
    paired with block i * m / n of the teacher's m, rounded: the last with the
    last.

    Source: ours.

    Args:
        student (list[Block]): All blocks of the student.
        teacher (list[Block]): All blocks of the teacher, at least one.

    Returns:
        list[Block]: One for each of the student's, in the teacher's order.
    """
    s_stages, t_stages = _stages(student), _stages(teacher)
    stages = list(range(len(s_stages)))
    if len(s_stages) != len(t_stages):
        stages = []
        for stage in s_stages:
            nearest = min(
                range(stages[-1] if stages else 0, len(t_stages)),
                key=lambda index: abs(
                    log(t_stages[index][0].scale / stage[0].scale)
                ),
            )
            stages.append(nearest)
    paired: List[Block] = []
    for index, group in groupby(zip(stages, s_stages), lambda item: item[0]):
        count = sum(len(stage) for _, stage in group)
        choice = t_stages[index]
        for number in range(1, count + 1):
            # Round half up, in integers: round() rounds half to even.
            place = (2 * number * len(choice) + count) // (2 * count)
            paired.append(choice[max(1, place) - 1])
    return paired


def _stages(blocks: List[Block]) -> List[List[Block]]:
    """Group consecutive blocks whose maps have the same height and width."""
    return [list(group) for _, group in groupby(blocks, lambda b: b.shape[1:])]
