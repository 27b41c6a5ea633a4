"""Which block of the teacher has the depth of a student's block."""

from itertools import groupby
from math import log
from typing import List

from ..tracing.blocks import Block


def pair_blocks(student: List[Block], teacher: List[Block]) -> List[Block]:
    """Find for each block of the student the teacher's of the same depth.

    Blocks whose maps have one size are a stage. Equal numbers of stages are
    paired in order; else a stage goes to the teacher's whose maps have the
    nearest size in relation to the image, and those that go to one count as
    one. Block i of n goes to block i * m / n of the teacher's m, rounded: the
    last to the last.

    Source: ours.

    Args:
        student (list[Block]): All blocks of the student.
        teacher (list[Block]): All blocks of the teacher, at least one.

    Returns:
        list[Block]: As many as the student's blocks, in the teacher's order.
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
            # Half up, in integers: round() would go to the even number.
            place = (2 * number * len(choice) + count) // (2 * count)
            paired.append(choice[max(1, place) - 1])
    return paired


def _stages(blocks: List[Block]) -> List[List[Block]]:
    """Group consecutive blocks whose maps have one height and width."""
    return [list(group) for _, group in groupby(blocks, lambda b: b.shape[1:])]
