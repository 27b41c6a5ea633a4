"""Comparison of a teacher and its students in one pass over the images."""

from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import torch
from torch.utils.data import DataLoader

from ..checkpoints.networks import Network
from ..errors import SettingError
from ..tracing.features import read_maps
from .agreement import Agreement
from .cka import LinearCKA
from .data import class_names, labels_of
from .features import correlate, map_features
from .linear_probe import (
    LinearReadout,
    RidgeProbe,
    has_relu,
    probe_features,
)
from .places import Places

#: for each network, the probes at its module ends
Readouts = List[List[LinearReadout]]


class EndMetrics:
    """Attention and probes at the ends of the modules, over all images.

    Args:
        ends (Sequence): For each network the names of its maps there; the
            teacher first.
        readouts (list, optional): The probes.

    Attributes:
        images (int): Number of images so far.
    """

    def __init__(
        self, ends: Sequence[Sequence[str]], readouts: Optional[Readouts]
    ) -> None:
        self.ends = ends
        self.readouts = readouts
        shape = (len(ends), len(ends[0]))
        self._r = torch.zeros(shape, dtype=torch.double)
        # Number of images that have a correlation.
        self._r_count = torch.zeros(shape, dtype=torch.long)
        self._right = torch.zeros(shape, dtype=torch.long)
        self.images = 0

    def update(self, features, labels: Optional[torch.Tensor]) -> None:
        """Add a batch: the features of each network, labels for the probes."""
        self.images += len(features[0][self.ends[0][0]].ndam)
        for place in range(len(self.ends[0])):
            own = [
                found[names[place]]
                for found, names in zip(features, self.ends)
            ]
            for index, end in enumerate(own):
                r = correlate(end, own[0])
                self._r[index, place] += r.nansum().cpu()
                self._r_count[index, place] += (~r.isnan()).sum().cpu()
                if self.readouts is not None and labels is not None:
                    told = self.readouts[index][place].predict(end.pooled)
                    self._right[index, place] += (told == labels).sum().cpu()

    def compute(self) -> Dict[str, List]:
        """Compute the metrics of each network (a row) at each place.

        Returns:
            dict[str, list]: ``ndam_r``: mean correlation with the teacher's
            NDAM maps, nan for none; ``probe``: a probe's accuracy, None
            without probes.
        """
        probe = [[None] * len(own) for own in self.ends]
        if self.readouts is not None:
            probe = (self._right.double() / self.images).tolist()
        return dict(ndam_r=(self._r / self._r_count).tolist(), probe=probe)


class Analysis:
    """Compares students with their teacher, module by module.

    Its memory doesn't grow with the number of images.

    Args:
        networks (Sequence[Network]): The teacher, the analysed student, other
            students.
        places (Places): Where they are compared.
        grid (int): See :func:`cells`. Defaults to 4.
        device (str): Device of the computation. Defaults to ``'cpu'``.
        watch (Callable, optional): Called after each batch of a network with
            its number of images.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        places: Places,
        grid: int = 4,
        device: str = 'cpu',
        watch: Callable[[int], None] = lambda images: None,
    ) -> None:
        self.networks = list(networks)
        self.blocks = places.blocks
        self.end_blocks = places.end_blocks
        # For each network, the names of its maps at the ends of modules.
        self.ends = [[end.teacher for end in places.ends]]
        self.ends += [
            [end.student for end in places.ends] for _ in networks[1:]
        ]
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
        """Fit linear probes to the maps at the ends of the modules.

        Args:
            loader (DataLoader): Training images without augmentation.
        """
        probes: Optional[List[List[RidgeProbe]]] = None
        for batch in loader:
            labels, logits, found = self._run_all(batch, probing=True)
            if probes is None:
                probes = [
                    [RidgeProbe(logits[0].shape[1]) for _ in ends]
                    for ends in self.ends
                ]
            for names, row, features in zip(self.ends, probes, found):
                for name, probe in zip(names, row):
                    probe.update(features[name], labels)
        return [[probe.compute() for probe in row] for row in probes]

    def measure(
        self, loader: DataLoader, readouts: Optional[Readouts] = None
    ) -> Dict[str, Any]:
        """Compare the networks.

        Args:
            loader (DataLoader): Test images.
            readouts (list, optional): From :meth:`fit_probes`.

        Returns:
            dict: Plain numbers and strings: ``images``, ``accuracies``,
            ``modules``, ``matrices``, ``agreement`` and ``gains``. Shares are
            from 0 to 1. Without logits ``accuracies``, ``agreement`` and
            ``gains`` are empty.
        """
        cka = LinearCKA()
        end_metrics = EndMetrics(self.ends, readouts)
        agreement: Optional[Agreement] = None
        for batch in loader:
            labels, logits, features = self._run_all(batch)
            if labels is not None:
                if agreement is None:
                    classes = logits[0].shape[1]
                    agreement = Agreement(len(self.networks), classes)
                agreement.update(torch.stack(logits), labels)
            own, *others = (
                [found[name].cells for name in names]
                for found, names in zip(features, self.names)
            )
            cka.update(own, sum(others, []))
            end_metrics.update(features, labels)
        by_name = self._by_name(cka.compute())
        return dict(
            images=end_metrics.images,
            modules=self._modules(by_name, end_metrics.compute()),
            matrices=[
                self._matrix(student, values)
                for student, values in enumerate(by_name, 1)
            ],
            **self._predictions(agreement, loader),
        )

    def _run_all(self, batch, probing: bool = False) -> Tuple:
        """Run all networks on a batch; return labels, logits, features.

        The labels are None if a network gives no logits.
        """
        logits, found = zip(
            *(
                self._run(index, batch, probing)
                for index in range(len(self.networks))
            )
        )
        if any(own is None for own in logits):
            return None, logits, found
        labels = labels_of(batch).to(self.device)
        self._check_labels(logits, labels)
        return labels, logits, found

    def _run(self, index: int, batch, probing: bool) -> Tuple:
        """Run one network on a batch."""
        network = self.networks[index]
        images = network.preprocessor(batch, False)['inputs']
        rectified = has_relu(network.model)
        if probing:
            pool = partial(probe_features, rectified=rectified)
            wanted: Dict[str, Callable] = dict.fromkeys(self.ends[index], pool)
        else:
            wanted = {
                name: partial(
                    map_features,
                    grid=self.grid,
                    is_end=name in self.ends[index],
                    rectified=rectified,
                )
                for name in self.names[index]
            }
        found = read_maps(network.model, images, wanted)
        self.watch(len(images))
        return found

    @staticmethod
    def _check_labels(logits, labels) -> None:
        """Check that the labels are among the networks' classes.

        Raises:
            SettingError: If they are not.
        """
        classes = logits[0].shape[1]
        if labels.max() >= classes:
            raise SettingError(
                f'The networks have {classes} classes, but an image has the '
                f'label {labels.max().item()}; give the config of the data '
                f'that they were trained on.'
            )

    def _by_name(self, cka: torch.Tensor) -> List[Dict]:
        """Split the columns by student; name the two maps of each value."""
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
        """Arrange one student's blocks against those of the teacher."""
        rows, columns = self.blocks[student], self.blocks[0]
        ends = zip(self.end_blocks[student], self.end_blocks[0])
        return dict(
            student=self.networks[student].label,
            rows=rows,
            columns=columns,
            ends=[
                [rows.index(row), columns.index(column)]
                for row, column in ends
                if row is not None and column is not None
            ],
            cka=[[values[row, column] for column in columns] for row in rows],
        )

    def _modules(
        self, by_name, found: Dict[str, List]
    ) -> List[Dict[str, Any]]:
        """Build the rows of the table, one for each module of a student."""
        return [
            dict(
                student=self.networks[student].label,
                module=place + 1,
                student_map=s_map,
                teacher_map=t_map,
                cka=values[s_map, t_map],
                ndam_r=found['ndam_r'][student][place],
                probe_student=found['probe'][student][place],
                probe_teacher=found['probe'][0][place],
            )
            for student, values in enumerate(by_name, 1)
            for place, (s_map, t_map) in enumerate(
                zip(self.ends[student], self.ends[0])
            )
        ]

    def _predictions(
        self, agreement: Optional[Agreement], loader
    ) -> Dict[str, List]:
        """Build what is found of the predictions."""
        if agreement is None:
            return dict(accuracies=[], agreement=[], gains=[])
        shares = agreement.compute()
        return dict(
            accuracies=shares.pop('accuracy').tolist(),
            agreement=[
                dict(
                    student=network.label,
                    **{k: share[i, 0].item() for k, share in shares.items()},
                )
                for i, network in enumerate(self.networks)
                if i > 0
            ],
            gains=self._gains(agreement, loader),
        )

    def _gains(self, agreement: Agreement, loader) -> List[Dict[str, Any]]:
        """Compare the analysed student with each of the others, by class."""
        names = class_names(loader, len(agreement.images))
        return [
            dict(
                against=self.networks[other].label,
                label=names[label],
                images=agreement.images[label].item(),
                teacher=self._share(agreement, 0, label),
                student=self._share(agreement, 1, label),
                other=self._share(agreement, other, label),
                **agreement.gain(1, other, label),
            )
            for other in range(2, len(self.networks))
            for label in range(len(names))
        ]

    @staticmethod
    def _share(agreement: Agreement, model: int, label: int) -> float:
        """Return a model's accuracy on a class; nan if that has no images."""
        return (agreement.right[model, label] / agreement.images[label]).item()
