"""Find the cuts that minimise the memory of the largest module."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..tracing.blocks import Block

# What the losses hold at a boundary, in maps of the teacher's width and the
# smaller of the two sizes: the student's aligned output, its difference from
# the teacher's, and the gradient. Where widths differ, the output is aligned
# at the student's size, and pooled then.
LOSS_MAPS = 3


class Candidate(NamedTuple):
    """A place where the student can be cut.

    Attributes:
        student (Block): The block before it.
        teacher (Block): The block whose map is learned.
        ends_stage (bool): Whether a next block's map has another size.
    """

    student: Block
    teacher: Block
    ends_stage: bool


def union_bytes(parts: Sequence[Dict[int, int]]) -> List[List[int]]:
    """Add up what is saved in each range of consecutive parts.

    Args:
        parts (Sequence[dict]): The storages (address: bytes) of each part,
            as returned by :func:`saved_bytes`.

    Returns:
        list[list[int]]: ``[first][last]`` is the size of the storages saved
        in the parts ``first`` to ``last``, each storage counted once.
    """
    sizes = [[0] * len(parts) for _ in parts]
    for first in range(len(parts)):
        seen: Dict[int, int] = {}
        total = 0
        for last in range(first, len(parts)):
            for address, size in parts[last].items():
                # A storage may have grown: the larger size counts.
                total += max(0, size - seen.get(address, 0))
                seen[address] = max(size, seen.get(address, 0))
            sizes[first][last] = total
    return sizes


def module_peaks(
    saved: List[List[int]], candidates: List[Candidate], cuts: Sequence[int]
) -> List[int]:
    """Compute the memory that each module needs.

    Args:
        saved (list[list[int]]): Result of :func:`union_bytes` for the parts
            between the candidates and the one after the last.
        candidates (list[Candidate]): Where the student can be cut.
        cuts (Sequence[int]): The candidates to cut at.

    Returns:
        list[int]: For each module, the bytes for one image when its backward
        pass begins: what autograd has saved, :data:`LOSS_MAPS` maps, and the
        teacher's maps for this boundary and later ones. The last module has
        only the first of these, and the maps that it learns without a cut,
        see :func:`uncut`.
    """
    firsts = [0, *(cut + 1 for cut in cuts)]
    kept = _uncut_bytes(candidates, firsts[-1] - 1)
    peaks = [saved[firsts[-1]][-1] + kept]
    following = None
    for first, cut in reversed(list(zip(firsts, cuts))):
        kept += _teacher_bytes(candidates, cut, following)
        peaks.append(saved[first][cut] + _loss_bytes(candidates[cut]) + kept)
        following = cut
    return peaks[::-1]


def uncut(candidates: List[Candidate], cut: int) -> List[Candidate]:
    """Find the stage ends in the last module, which learns them uncut.

    Args:
        candidates (list[Candidate]): As in :func:`module_peaks`.
        cut (int): The last cut, -1 for none.
    """
    return [place for place in candidates[cut + 1 :] if place.ends_stage]


def choose_cuts(
    saved: List[List[int]], candidates: List[Candidate], num_cuts: int
) -> List[int]:
    """Choose the cuts whose largest module needs the least memory.

    Exact: the smallest limit that some choice of cuts satisfies is found by
    bisection. Among the choices that satisfy it, one with the most cuts at
    the ends of stages is taken.

    Source: ours.

    Args:
        saved (list[list[int]]): As in :func:`module_peaks`.
        candidates (list[Candidate]): As in :func:`module_peaks`.
        num_cuts (int): From 1 to the number of candidates.
    """
    low = 0
    high = saved[0][-1] + sum(
        candidate.teacher.num_bytes + _loss_bytes(candidate)
        for candidate in candidates
    )
    while low < high:
        middle = (low + high) // 2
        if _cuts_within(middle, saved, candidates, num_cuts, False) is None:
            low = middle + 1
        else:
            high = middle
    return list(_cuts_within(low, saved, candidates, num_cuts, True))


def fewest_modules(
    saved: List[List[int]], candidates: List[Candidate], limit: int
) -> int:
    """Find the smallest number of modules within a memory limit.

    Args:
        saved (list[list[int]]): As in :func:`module_peaks`.
        candidates (list[Candidate]): As in :func:`module_peaks`.
        limit (int): Bytes that each module may need; some choice of cuts must
            satisfy it.
    """
    if saved[0][-1] + _uncut_bytes(candidates, -1) <= limit:
        return 1
    num_cuts = 1
    while _cuts_within(limit, saved, candidates, num_cuts, False) is None:
        num_cuts += 1
    return num_cuts + 1


def _cuts_within(
    limit: int,
    saved: List[List[int]],
    candidates: List[Candidate],
    num_cuts: int,
    count_ends: bool,
) -> Optional[Tuple[int, ...]]:
    """Choose cuts such that no module exceeds a limit; None if there are none.

    Dynamic programming from the output to the input: of what comes later, a
    module's memory depends only on the teacher's maps kept for the later
    boundaries. So among all choices of later cuts, for each number of stage
    ends, the one that keeps the fewest bytes is enough.
    """
    ends = [count_ends and place.ends_stage for place in candidates]
    # For each candidate as the first cut, by the number of stage ends: the
    # bytes of the teacher's maps, and the cuts.
    table: List[Dict[int, Tuple[int, Tuple[int, ...]]]] = []
    for cut in range(len(candidates)):
        rest = _uncut_bytes(candidates, cut)
        kept = _teacher_bytes(candidates, cut, None) + rest
        fits = saved[cut + 1][-1] + rest <= limit
        table.append({int(ends[cut]): (kept, (cut,))} if fits else {})
    for _ in range(num_cuts - 1):
        longer: List[Dict] = [{} for _ in candidates]
        for cut, choices in enumerate(table):
            for count, (kept, cuts) in choices.items():
                room = limit - _loss_bytes(candidates[cut]) - kept
                for before in range(cut - 1, -1, -1):
                    if saved[before + 1][cut] > room:
                        break  # the module only grows from here
                    total = kept + _teacher_bytes(candidates, before, cut)
                    key = count + ends[before]
                    known = longer[before].get(key)
                    if known is None or total < known[0]:
                        longer[before][key] = (total, (before, *cuts))
        table = longer
    found = [
        (count, cuts)
        for cut, choices in enumerate(table)
        for count, (kept, cuts) in choices.items()
        if saved[0][cut] + _loss_bytes(candidates[cut]) + kept <= limit
    ]
    return max(found)[1] if found else None


def _loss_bytes(candidate: Candidate) -> int:
    """Count the bytes that the losses hold; see :data:`LOSS_MAPS`."""
    student, teacher = candidate.student.shape, candidate.teacher.shape
    num_bytes = candidate.teacher.num_bytes
    widened = student[0] != teacher[0]
    for own, other in zip(student[1:], teacher[1:]):
        size = own if widened else min(own, other)
        num_bytes = num_bytes * size // other
    return LOSS_MAPS * num_bytes


def _teacher_bytes(
    candidates: List[Candidate], cut: int, following: Optional[int]
) -> int:
    """Count the bytes of a cut's map, unless the next cut has the same."""
    teacher = candidates[cut].teacher
    if following is not None and candidates[following].teacher == teacher:
        return 0
    return teacher.num_bytes


def _uncut_bytes(candidates: List[Candidate], cut: int) -> int:
    """Count the bytes of the maps that are learned without a cut."""
    maps = {place.teacher for place in uncut(candidates, cut)}
    if cut >= 0:
        maps.discard(candidates[cut].teacher)
    return sum(teacher.num_bytes for teacher in maps)
