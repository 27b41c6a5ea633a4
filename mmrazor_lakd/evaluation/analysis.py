"""What a teacher and its students have in common, in one pass over images."""

from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence

import torch
from torch.utils.data import DataLoader

from ..errors import SettingError
from .answers import Answers
from .cka import LinearCKA
from .data import class_names, labels_of
from .linear_probe import LinearReadout, RidgeProbe, probe_features
from .look import correlate, look_at
from .module_ends import ModuleEnd
from .networks import Network
from .read_maps import read_maps

#: for each network, the probes of its module ends
Readouts = List[List[LinearReadout]]


class Analysis:
    """Compares students with their teacher, module by module.

    Nothing in it grows with the number of images.

    Args:
        networks (Sequence[Network]): The teacher first, then the students,
            the analysed one first of them.
        ends (Sequence[ModuleEnd]): Where the modules end, in all students.
        blocks (Sequence[Sequence[str]]): For each network the names of the
            modules of the depth-against-depth matrix.
        grid (int): See :func:`cells`. Defaults to 4.
        device (str): Where it is computed. Defaults to ``'cpu'``.
        watch (Callable, optional): Is told after each batch of a network how
            many images that were.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        ends: Sequence[ModuleEnd],
        blocks: Sequence[Sequence[str]],
        grid: int = 4,
        device: str = 'cpu',
        watch: Callable[[int], None] = lambda images: None,
    ) -> None:
        self.networks = list(networks)
        self.blocks = [list(names) for names in blocks]
        # For each network, the names of its maps at the ends of modules.
        self.ends = [[end.teacher for end in ends]]
        self.ends += [[end.student for end in ends] for _ in networks[1:]]
        # An end may be a block as well.
        self.names = [
            list(dict.fromkeys([*own, *ends]))
            for own, ends in zip(self.blocks, self.ends)
        ]
        self.grid = grid
        self.device = torch.device(device)
        self.watch = watch
        for network in self.networks:
            network.model.to(self.device)
            network.preprocessor.to(self.device)

    def fit_probes(self, loader: DataLoader) -> Readouts:
        """Fit linear probes at the ends of the modules, to their inputs.

        Args:
            loader (DataLoader): Training images without augmentation.
        """
        probes: Optional[List[List[RidgeProbe]]] = None
        for batch in loader:
            labels = labels_of(batch).to(self.device)
            for index in range(len(self.networks)):
                logits, found = self._run(index, batch, probing=True)
                if probes is None:
                    probes = [
                        [RidgeProbe(logits.shape[1]) for _ in ends]
                        for ends in self.ends
                    ]
                for name, probe in zip(self.ends[index], probes[index]):
                    probe.update(found[name], labels)
        return [[probe.solve() for probe in row] for row in probes]

    def measure(
        self, loader: DataLoader, readouts: Optional[Readouts] = None
    ) -> Dict[str, Any]:
        """Compare the networks.

        Args:
            loader (DataLoader): Test images.
            readouts (list, optional): From :meth:`fit_probes`.

        Returns:
            dict: Plain numbers and texts: ``images``, ``accuracies``,
            ``modules``, ``matrices``, ``agreement`` and ``gains``. Shares
            are from 0 to 1.
        """
        count = len(self.ends[0])
        students = len(self.networks) - 1
        cka = LinearCKA()
        answers: Optional[Answers] = None
        # sums over the images, and how many have a correlation
        r_sum = torch.zeros(students, count, dtype=torch.double)
        r_count = torch.zeros(students, count, dtype=torch.long)
        probed = torch.zeros(len(self.networks), count, dtype=torch.long)
        for batch in loader:
            labels = labels_of(batch).to(self.device)
            logits, looks = zip(
                *(self._run(i, batch) for i in range(len(self.networks)))
            )
            if answers is None:
                classes = self._num_classes(logits, labels)
                answers = Answers(len(self.networks), classes)
            answers.update(torch.stack([x.argmax(1) for x in logits]), labels)
            own, *others = (
                [found[name].cells for name in names]
                for found, names in zip(looks, self.names)
            )
            cka.update(own, sum(others, []))
            for place in range(count):
                ends = [
                    found[names[place]]
                    for found, names in zip(looks, self.ends)
                ]
                for student, end in enumerate(ends[1:]):
                    r = correlate(end, ends[0]).cpu()
                    r_sum[student, place] += r.nansum()
                    r_count[student, place] += (~r.isnan()).sum()
                for index, end in enumerate(ends):
                    if readouts is not None:
                        told = readouts[index][place].predict(end.pooled)
                        right = (told == labels).sum().cpu()
                        probed[index, place] += right
        shares = None
        if readouts is not None:
            shares = (probed / answers.images.sum()).tolist()
        by_name = self._by_name(cka.compute())
        return dict(
            images=int(answers.images.sum()),
            accuracies=[
                answers.accuracy(i) for i in range(len(self.networks))
            ],
            modules=self._modules(by_name, r_sum / r_count, shares),
            matrices=[
                self._matrix(student, values)
                for student, values in enumerate(by_name, 1)
            ],
            agreement=[
                dict(student=n.label, **answers.agreement(i, 0))
                for i, n in enumerate(self.networks)
                if i > 0
            ],
            gains=self._gains(answers, loader),
        )

    def _run(self, index: int, batch, probing: bool = False):
        """Run one network on a batch."""
        network = self.networks[index]
        images = network.preprocessor(batch, False)['inputs']
        if probing:
            wanted = dict.fromkeys(self.ends[index], probe_features)
        else:
            wanted = {
                name: partial(
                    look_at, grid=self.grid, is_end=name in self.ends[index]
                )
                for name in self.names[index]
            }
        found = read_maps(network.model, images, wanted)
        self.watch(len(images))
        return found

    def _num_classes(self, logits, labels) -> int:
        """Tell the number of classes, which must be everybody's.

        Raises:
            SettingError: If it is not.
        """
        widths = [tensor.shape[1] for tensor in logits]
        for network, width in zip(self.networks, widths):
            if width != widths[0]:
                raise SettingError(
                    f'The teacher has {widths[0]} classes and '
                    f"'{network.label}' {width}; compare networks that were "
                    f'trained on the same classes.'
                )
        if labels.max() >= widths[0]:
            raise SettingError(
                f'The networks have {widths[0]} classes, but an image has the '
                f'label {labels.max().item()}; give the config of the data '
                f'that they were trained on.'
            )
        return widths[0]

    def _by_name(self, cka: torch.Tensor) -> List[Dict]:
        """Part the students' columns; name the two maps of each value."""
        widths = [len(names) for names in self.names[1:]]
        return [
            {
                (student, teacher): value
                for teacher, values in zip(self.names[0], part.tolist())
                for student, value in zip(names, values)
            }
            for names, part in zip(self.names[1:], cka.split(widths, 1))
        ]

    def _matrix(self, student: int, values: Dict) -> Dict[str, Any]:
        """Lay out one student's blocks against those of the teacher."""
        rows, columns = self.blocks[student], self.blocks[0]
        return dict(
            student=self.networks[student].label,
            rows=rows,
            columns=columns,
            cka=[[values[row, column] for column in columns] for row in rows],
        )

    def _modules(self, by_name, correlation, shares) -> List[Dict[str, Any]]:
        """Make the rows of the table, a row for each module of a student."""
        return [
            dict(
                student=self.networks[student].label,
                module=place + 1,
                student_map=s_map,
                teacher_map=t_map,
                cka=values[s_map, t_map],
                ndam_r=correlation[student - 1, place].item(),
                probe_student=shares and shares[student][place],
                probe_teacher=shares and shares[0][place],
            )
            for student, values in enumerate(by_name, 1)
            for place, (s_map, t_map) in enumerate(
                zip(self.ends[student], self.ends[0])
            )
        ]

    def _gains(self, answers: Answers, loader) -> List[Dict[str, Any]]:
        """Compare the analysed student with each other one, by class."""
        names = class_names(loader, len(answers.images))
        return [
            dict(
                against=self.networks[other].label,
                label=names[label],
                images=answers.images[label].item(),
                teacher=self._share(answers, 0, label),
                student=self._share(answers, 1, label),
                other=self._share(answers, other, label),
                **answers.gain(1, other, label),
            )
            for other in range(2, len(self.networks))
            for label in range(len(names))
        ]

    @staticmethod
    def _share(answers: Answers, model: int, label: int) -> float:
        """A model's right answers on one class; nan where it has no image."""
        return (answers.right[model, label] / answers.images[label]).item()
