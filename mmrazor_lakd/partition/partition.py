"""Choose boundaries automatically, so that memory is balanced."""

from itertools import groupby
from typing import (
    Any,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from torch import nn

from ..errors import SettingError
from ..tracing.autograd_graph import saved_bytes
from ..tracing.blocks import Block, find_blocks
from .pairing import pair_blocks
from .solver import (
    Candidate,
    choose_cuts,
    fewest_modules,
    module_peaks,
    uncut,
    union_bytes,
)


class LocalModule(NamedTuple):
    """One module of a partition.

    Attributes:
        student (Block, optional): Its last block; None for the last module.
        teacher (Block, optional): The block whose map it learns.
        saved (int): Bytes that autograd saves for it, for one image.
        peak (int): The same, plus what the losses hold and the teacher's
            maps that are kept for this boundary and later ones.
    """

    student: Optional[Block]
    teacher: Optional[Block]
    saved: int
    peak: int


class Partition(NamedTuple):
    """Where the student is cut, and what each module learns.

    Attributes:
        modules (list[LocalModule]): From the input to the output.
        stage_ends (list[Candidate]): The ends of stages in the last module,
            whose maps it learns without a cut.
        saved_uncut (int): Bytes that autograd saves for one image if the
            student isn't cut.
        enough (int): The smallest number of modules whose peak is no higher.
    """

    modules: List[LocalModule]
    stage_ends: List[Candidate]
    saved_uncut: int
    enough: int

    @property
    def local_modules(self) -> List[Dict[str, Any]]:
        """The list that ``LAKDDistiller`` takes."""
        cuts: List[Dict[str, Any]] = [
            dict(student=module.student.name, teacher=module.teacher.name)
            for module in self.modules[:-1]
        ]
        return cuts + [
            dict(student=own.name, teacher=other.name, isolate=False)
            for own, other, _ in self.stage_ends
        ]

    def describe(self) -> str:
        """Format a table of the modules, and the list for a config."""
        header = ('', 'ends after', '', 'learns', '', 'saved', 'peak')
        rows: List[Tuple[str, ...]] = [header]
        for number, module in enumerate(self.modules, 1):
            ends: Tuple[str, ...] = ('the rest, with the head', '', '', '')
            if module.student:
                ends = (*_show(module.student), *_show(module.teacher))
            sizes = (_mebibytes(module.saved), _mebibytes(module.peak))
            rows.append((str(number), *ends, *sizes))
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [
            f'LAKD cuts the student into {len(self.modules)} local modules '
            f'(MiB per image; uncut {_mebibytes(self.saved_uncut)}):'
        ]
        for row in rows:
            cells = [cell.ljust(size) for cell, size in zip(row, widths)]
            cells[5:] = [
                cell.rjust(size) for cell, size in zip(row[5:], widths[5:])
            ]
            lines.append('  ' + '  '.join(cells))
        lines += self._remarks()
        lines.append('local_modules=[')
        for entry in self.local_modules:
            items = ', '.join(f'{k}={v!r}' for k, v in entry.items())
            lines.append(f'    dict({items}),')
        lines.append('],')
        return '\n'.join(lines)

    def _remarks(self) -> List[str]:
        """Remark on modules that learn the same map or save no memory."""
        lines = []
        for own, other, _ in self.stage_ends:
            lines.append(
                f'  without a cut, {_show(own)[0]} learns {_show(other)[0]}'
            )
        taught = enumerate(self.modules[:-1], 1)
        for teacher, group in groupby(taught, lambda item: item[1].teacher):
            numbers = [str(number) for number, _ in group]
            if len(numbers) > 1:
                lines.append(
                    f'  modules {", ".join(numbers)} all learn '
                    f'{teacher.name}: the teacher has too few blocks there'
                )
        if self.enough < len(self.modules):
            lines.append(
                f'  num_modules={self.enough} should need no more memory'
            )
        return lines


def partition(
    student: nn.Module,
    teacher: nn.Module,
    num_modules: int,
    input_size: Union[int, Sequence[int], None] = None,
) -> Partition:
    """Cut a student so that its largest module needs the least memory.

    What a module needs is measured in a forward pass of one image (see
    :func:`module_peaks`); the choice of cuts is optimal.

    The ends of stages that lie in the last module are taught as well, without
    a cut: it is less the number of cuts that costs accuracy than which maps
    are taught.

    Source: ours, after InfoPro (Wang et al., "Revisiting Locally Supervised
    Learning", ICLR 2021), which balances its modules by memory too.

    Args:
        student (nn.Module): A model of MMEngine (``mode='tensor'``).
        teacher (nn.Module): Another.
        num_modules (int): Number of local modules; 1 means no cut.
        input_size (int | tuple, optional): Height and width of the training
            images. Defaults to that of :func:`dry_run`.

    Returns:
        Partition: With ``num_modules - 1`` cuts.

    Raises:
        SettingError: If ``num_modules`` is not an integer from 1 to what the
            student's blocks allow, or if student or teacher have no blocks.

    Examples:
        >>> found = partition(student, teacher, num_modules=3)
        >>> found.local_modules
        [{'student': 'backbone.layer1.0', 'teacher': 'backbone.layer1.3'},
         {'student': 'backbone.layer2.0', 'teacher': 'backbone.layer2.3'},
         {'student': 'backbone.layer2.2', 'teacher': 'backbone.layer2.8',
          'isolate': False}]
    """
    if type(num_modules) is not int or num_modules < 1:
        raise SettingError(
            f'LAKDDistiller has num_modules={num_modules!r}; write the number '
            f'of local modules, an integer of at least 1.'
        )
    candidates = _candidates(student, teacher, num_modules, input_size)
    names = [candidate.student.name for candidate in candidates]
    saved = union_bytes(saved_bytes(student, names, 'student', input_size))
    cuts = []
    if num_modules > 1:
        cuts = choose_cuts(saved, candidates, num_modules - 1)
    firsts = [0, *(cut + 1 for cut in cuts)]
    lasts = [*cuts, len(candidates)]
    sizes = [saved[first][last] for first, last in zip(firsts, lasts)]
    places = [candidates[cut][:2] for cut in cuts] + [(None, None)]
    peaks = module_peaks(saved, candidates, cuts)
    return Partition(
        modules=[
            LocalModule(*place, size, peak)
            for place, size, peak in zip(places, sizes, peaks)
        ],
        stage_ends=uncut(candidates, firsts[-1] - 1),
        saved_uncut=saved[0][-1],
        enough=fewest_modules(saved, candidates, max(peaks)),
    )


def _candidates(student, teacher, num_modules, input_size) -> List[Candidate]:
    """Find the candidate cuts, and raise if there are too few."""
    s_blocks = find_blocks(student, 'student', input_size)
    t_blocks = find_blocks(teacher, 'teacher', input_size)
    cuts = [block.name for block in s_blocks if block.can_cut]
    for role, blocks in (('student', cuts), ('teacher', t_blocks)):
        if not blocks and num_modules == 1:
            return []
        if not blocks:
            raise SettingError(
                f'num_modules={num_modules} needs blocks, items of an '
                f'nn.Sequential or nn.ModuleList in the backbone that have '
                f'layers and give one map, (N, C, H, W) or tokens (N, L, C), '
                f'but the {role} has none to cut behind or to learn from; '
                f'write num_modules=1, or take another {role}.'
            )
    if num_modules > len(cuts) + 1:
        raise SettingError(
            f'num_modules={num_modules}, but the student can be cut behind '
            f'{len(cuts)} of its blocks ({", ".join(cuts)}); write at most '
            f'num_modules={len(cuts) + 1}.'
        )
    # The last stage's end is left to the head's own losses.
    ends = [
        block.shape[1:] != following.shape[1:]
        for block, following in zip(s_blocks, s_blocks[1:])
    ]
    pairs = zip(s_blocks, pair_blocks(s_blocks, t_blocks), [*ends, False])
    return [Candidate(*place) for place in pairs if place[0].can_cut]


def _show(block: Block) -> List[str]:
    """Format a block's name and shape for the table."""
    prefix = 'backbone.'
    name = block.name
    if name.startswith(prefix):
        name = name[len(prefix) :]
    return [name, 'x'.join(map(str, block.shape))]


def _mebibytes(size: int) -> str:
    return f'{size / 2**20:.2f}'
