"""Where teacher and students agree, as tables of many images."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..analysis.module_ends import ModuleEnd
from .canvas import BEST
from .sheet import Sheet

Row = Dict[str, Any]


class ImageTable:
    """Collects the numbers of the sheets, image by image.

    Args:
        ends (Sequence[ModuleEnd]): The modules.
        classes (Sequence[str]): Names of the classes, possibly empty.
    """

    def __init__(
        self, ends: Sequence[ModuleEnd], classes: Sequence[str]
    ) -> None:
        self.ends = ends
        self.classes = classes
        self.correlations: List[Row] = []
        self.predictions: List[Row] = []
        self.networks: List[str] = []
        self.num_images = 0
        # On how many images each network predicts the teacher's and the true
        # class.
        self.same: Counter = Counter()
        self.right: Counter = Counter()
        self.num_labels = 0

    def update(self, sheet: Sheet, file: str) -> None:
        """Add one image.

        Args:
            sheet (Sheet): The networks' maps and predictions.
            file (str): Name of its files.
        """
        image = dict(image=sheet.sample.name, file=file)
        for label in sheet.students:
            for index, end in enumerate(self.ends):
                self.correlations.append(
                    dict(
                        image,
                        student=label,
                        module=end.title,
                        student_module=end.student,
                        teacher_module=end.teacher,
                        correlation=sheet.correlation(label, index),
                    )
                )
        self.num_images += 1
        self.networks = list(sheet.attention)
        if sheet.has_scores:
            self._add_predictions(sheet, image)

    def _add_predictions(self, sheet: Sheet, image: Row) -> None:
        """Add the classes that the networks predict."""
        truth = sheet.sample.label
        teachers = sheet.teacher.scores[0].argmax()
        self.num_labels += truth is not None
        for label, own in sheet.attention.items():
            order = np.argsort(-own.scores[0])[:BEST].tolist()
            self.same[label] += order[0] == teachers
            self.right[label] += order[0] == truth
            for rank, index in enumerate(order, 1):
                self.predictions.append(
                    dict(
                        image,
                        true_class=self._name(truth),
                        network=label,
                        rank=rank,
                        predicted_class=self._name(index),
                        probability=float(own.scores[0][index]),
                    )
                )

    def _name(self, index: Optional[int]) -> Optional[str]:
        """Return the full name of a class."""
        if index is None:
            return None
        known = index < len(self.classes)
        return self.classes[index] if known else f'class {index}'

    def write(self, out: Path) -> None:
        """Write correlations.csv and, of classifiers, predictions.csv."""
        # Imported lazily, since it takes a second.
        import pandas

        for name in ('correlations', 'predictions'):
            rows = getattr(self, name)
            if rows:
                pandas.DataFrame(rows).to_csv(out / f'{name}.csv', index=False)

    def compute(self) -> List[Row]:
        """Compute a row for each network, the teacher first.

        Returns:
            list[dict]: ``network``; ``correlations``, for each module the mean
            over the images, None for the teacher and nan if all maps are
            constant; ``same`` and ``right``: on how many images it predicts
            the teacher's and the true class.
        """
        return [
            dict(
                network=label,
                correlations=[self._mean(label, e.title) for e in self.ends],
                same=self.same[label],
                right=self.right[label],
            )
            for label in self.networks
        ]

    def print(self, console: Console) -> None:
        """Print the rows of :meth:`compute`."""
        table = Table(
            title="Mean correlation of the maps with the teacher's, "
            f'{self.num_images} image(s)'
        )
        table.add_column('network')
        for end in self.ends:
            table.add_column(escape(end.title), justify='right')
        if self.predictions:
            table.add_column('as teacher', justify='right')
        if self.num_labels:
            table.add_column('correct', justify='right')
        for row in self.compute():
            cells = [escape(row['network'])]
            for mean in row['correlations']:
                flat = mean is not None and np.isnan(mean)
                cells.append(
                    'flat' if flat else '' if mean is None else f'{mean:.3f}'
                )
            cells.append(f'{row["same"]} of {self.num_images}')
            cells.append(f'{row["right"]} of {self.num_labels}')
            table.add_row(*cells[: len(table.columns)])
        console.print(table)
        if not self.predictions:
            console.print(
                'Segmentors and detectors have no logits of shape (N, '
                'classes): predictions are left out.'
            )

    def _mean(self, student: str, module: str) -> Optional[float]:
        """Return the mean correlation of a student; None for the teacher."""
        values = [
            row['correlation']
            for row in self.correlations
            if (row['student'], row['module']) == (student, module)
        ]
        valid = [value for value in values if not np.isnan(value)]
        if not valid:
            return float('nan') if values else None
        return float(np.mean(valid))
