"""The type of data sets, and their split into training, validation and test parts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cnn.training.samples import Samples
from evo.display import line_of, table_of
from evo.preparation import (
    Channels,
    CsvFormat,
    Labels,
    Normalization,
    NormalizationMethod,
    Origin,
    Preparation,
    Prepared,
    RawRows,
    ScaledSamples,
    Schema,
    Sequences,
    SequenceSchema,
    TargetScaling,
    Task,
)
from evo.preparation.labels import Targets, check_task, to_targets
from evo.preparation.origin import read_only
from evo.preparation.targets import fit_targets, scale_targets
from experiments.datasets.array_file import read_npz
from experiments.datasets.image_folder import Colour, read_image_folder
from experiments.datasets.openml import fetch_table
from experiments.datasets.parts.checks import (
    check_classes,
    check_target_names,
    check_taught,
    checked_groups,
    checked_targets,
    checked_weights,
    with_common_classes,
)
from experiments.datasets.parts.drawing import Part, Pool
from experiments.datasets.parts.hashing import hash_part
from experiments.datasets.parts.partition import RareClasses
from experiments.datasets.parts.sequences import read_sequences
from experiments.datasets.parts.series import Gaps, read_series
from experiments.datasets.table import (
    ColumnRoles,
    as_frame,
    check_apart,
    check_groups_apart,
    column,
    read_csv_with_targets,
    read_parquet,
    target_names,
    targets_of,
    weights_of,
)

OwnPart = tuple[RawRows, Targets]


@dataclass(frozen=True, eq=False)
class DataSplit:
    """The three parts of a data set, prepared alike.

    Attributes
    ----------
    dataset : Dataset
        The data set that was split.
    train, validation : Samples
    test : Samples or None
        Disjoint parts that together hold all samples. Inputs are prepared. In regression they are
        :class:`evo.preparation.ScaledSamples`, with the values in their units as `truth`. Arrays are read-only. None if
        there is no test part.
    preparation : Preparation
        Fitted on the training part only.
    target_scaling : Normalization or None
        The scaling of the values to regress on, fitted on the training part only; None in classification.
    rows : mapping of str to ndarray of int64
        Index of each sample of a part in the data set, or in its own validation or test part.
    unseen : mapping of str to (dict of str to int)
        For each part, how many values of a column are categories that the training part does not have.
    """

    dataset: "Dataset"
    train: Samples
    validation: Samples
    test: Samples | None
    preparation: Preparation
    target_scaling: Normalization | None
    rows: Mapping[Part, NDArray[np.int64]]
    unseen: Mapping[Part, dict[str, int]]

    @property
    def normalization(self) -> Normalization:
        """The normalization of the preparation."""
        return self.preparation.normalization

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a prepared sample."""
        return self.train.inputs.shape[1:]

    def steps_of(self, part: Part) -> NDArray[np.int64]:
        """Return the step of each target of a part whose steps have targets."""
        sequences = self.raw(part)[0]
        if not isinstance(sequences, Sequences) or sequences.with_target is None:
            raise ValueError(f"the data set must have targets of steps; got {self.dataset!r}")
        return np.nonzero(sequences.padded(sequences.with_target, sequences.longest))[1]

    def raw(self, part: Part) -> tuple[RawRows, NDArray[Any]]:
        """Return the rows of a part as the data set has them, with their labels or values; see :meth:`Dataset.raw`.

        These are what a saved network predicts from, and what its score compares with.
        """
        return self.dataset.raw(part, self.rows[part])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples in raw units with their targets; arrays are read-only.

    Writeable arrays are copied, read-only arrays are shared.

    Attributes
    ----------
    name : str
        Name in tables.
    inputs : ndarray of real numbers, shape (n, *shape), DataFrame or Sequences
        Flat features (n, features), with NaN where a value is missing; or images (n, height, width) and more
        dimensions. A data frame if some columns are categories or dates; :class:`evo.preparation.Sequences` of steps.
    targets : ndarray of int64, shape (n,), or of float64, shape (n, k)
        Class indices 0 … len(classes) − 1, or values to regress on; of sequences perhaps one for each of their steps.
    classes : tuple of str or int, or None
        Label of each class index, at least two; None in regression.
    test, validation : tuple of (inputs, targets), optional
        Own test part and own validation part, with types and shapes as above. They may lack classes, but have none that
        the other samples lack.
    groups : ndarray of int64, shape (n,), optional
        Number of the group of each sample. Samples of a group stay in one part.
    sample_weights : array_like, shape (n,), optional
        Weight of each sample in the loss of training and validation: finite, at least 0; kept as float32. Weights are
        divided by their mean over the training part. Own validation and test parts have none.
    schema : Schema, optional
        What the rows look like; by default it is inferred from the inputs.
    target_names : tuple of str, optional
        Names of the values to regress on; None in classification.
    spans : ndarray of int64, shape (n, 2), optional
        First and last time of each window of a series, with its target. Parts then follow one another in time.

    Raises
    ------
    DataError
        If there is no sample, a value cannot be used, a class index has no label, or lengths or shapes differ.
    TypeError
        If targets have another type.
    """

    name: str
    inputs: RawRows = field(repr=False)
    targets: Targets = field(repr=False)
    classes: Labels | None
    test: OwnPart | None = field(default=None, repr=False)
    validation: OwnPart | None = field(default=None, repr=False)
    groups: NDArray[np.int64] | None = field(default=None, repr=False)
    sample_weights: ArrayLike | None = field(default=None, repr=False)
    schema: Schema = field(default=None, repr=False)  # type: ignore[assignment] # __post_init__ infers it
    target_names: tuple[str, ...] | None = None
    spans: NDArray[np.int64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check everything once, and make the arrays read-only."""
        classes, origin = self.classes, Origin(self.name, "inputs")
        check_classes(classes, self.name)
        schema = self.schema
        if schema is None:
            schema, rows = Schema.infer(self.inputs, origin=origin)
        else:
            rows = schema.rows(self.inputs, origin)
        for name, own in (("validation", self.validation), ("test", self.test)):
            if own is not None:
                schema = schema.with_gaps_of(own[0], Origin(self.name, f"{name} inputs"))
        object.__setattr__(self, "schema", schema)
        object.__setattr__(self, "inputs", rows)
        shape = self.targets.shape[1:]
        checked = checked_targets(self.targets, rows, classes, shape, self.name, "targets")
        object.__setattr__(self, "targets", checked)
        self._check_target_names(self.target_names)
        for name, own in (("validation", self.validation), ("test", self.test)):
            if own is not None:
                rows = schema.rows(own[0], Origin(self.name, f"{name} inputs"))
                checked = checked_targets(
                    own[1], rows, classes, shape, self.name, f"{name} targets"
                )
                check_taught(checked, self.targets, classes, self.name, name)
                object.__setattr__(self, name, (rows, checked))
        if self.sample_weights is not None:
            weights = checked_weights(self.sample_weights, len(self), self.name)
            object.__setattr__(self, "sample_weights", weights)
        if self.groups is not None:
            object.__setattr__(self, "groups", checked_groups(self.groups, len(self), self.name))

    @classmethod
    def from_arrays(
        cls,
        X: object,
        y: object,
        *,
        name: str = "arrays",
        task: Task | None = None,
        feature_names: Sequence[str] | None = None,
        target_names: Sequence[str] | None = None,
        categories: Sequence[str] = (),
        channels: Channels | None = None,
        groups: object = None,
        sample_weights: ArrayLike | None = None,
        validation: tuple[object, object] | None = None,
        test: tuple[object, object] | None = None,
    ) -> Self:
        """Make a data set from arrays, nested lists, pandas objects and the like.

        Without `task`, integers, booleans and text are class labels, and floats are values.

        Parameters
        ----------
        X : array_like or DataFrame, shape (n, *shape)
            Numbers, text, booleans or dates; a row is a sample.
        y : array_like, Series or DataFrame, shape (n,) or (n, k)
            One label or value per sample; only in regression k > 1.
        name : str, default "arrays"
            Name in tables and messages.
        task : {"classification", "regression"}, optional
            Task to take instead: whole floats can be labels, integers can be values.
        feature_names : sequence of str, optional
            Names of the features, instead of those of a frame.
        target_names : sequence of str, optional
            Names of the values to regress on, for tables and pictures.
        categories : sequence of str
            Names of columns that are categories whatever is in them, such as postcodes.
        channels : {"first", "last"}, optional
            Where the channels of images stand: (n, channels, rows, columns) or (n, rows, columns, channels). It must be
            given where the shape allows both.
        groups : array_like, shape (n,), optional
            The group of each sample, such as a patient. Samples of a group stay in one part.
        sample_weights : array_like, shape (n,), optional
            Weight of each sample in the loss, see :class:`Dataset`.
        validation, test : tuple of (X, y), optional
            Own validation part and own test part; none is drawn then.

        Raises
        ------
        DataError
            If the data cannot be used; the message names the first bad place.
        ValueError
            If `task` is not one of the two.

        Examples
        --------
        >>> Dataset.from_arrays([[0.0], [1.0], [2.0]], ["low", "low", "high"]).classes
        ('high', 'low')
        """
        origin = Origin(name, "inputs")
        options = {"names": feature_names, "categories": categories, "channels": channels}
        schema, rows = Schema.infer(X, **options, origin=origin)  # type: ignore[arg-type]
        parts: dict[str, tuple[object, object]] = {"": (rows, y)}
        for part, own in (("validation", validation), ("test", test)):
            if own is not None:
                parts[part] = own
        return cls._of_arrays(name, schema, parts, task, groups, target_names, sample_weights)

    @classmethod
    def _of_arrays(
        cls,
        name: str,
        schema: Schema,
        parts: Mapping[str, tuple[object, object]],
        task: Task | None,
        groups: object,
        target_names: Sequence[str] | None,
        sample_weights: ArrayLike | None,
    ) -> Self:
        """Make a data set from the arrays of its parts; names of targets must be those of values."""
        names = None if target_names is None else tuple(target_names)
        made = cls._of_parts(name, schema, parts, task, groups, names, sample_weights)
        made._check_target_names(names)
        return made

    @classmethod
    def _of_parts(
        cls,
        name: str,
        schema: Schema,
        parts: Mapping[str, tuple[object, object]],
        task: Task | None,
        groups: object,
        names: tuple[str, ...] | None,
        sample_weights: ArrayLike | None,
    ) -> Self:
        """Make a data set from the rows and targets of its parts; the main part has the name "".

        The names of the targets may be those of a column of labels: the data set then has none.
        """
        check_task(task)
        target = names[0] if names and len(names) == 1 else None
        read: dict[str, tuple[Targets, Labels | None]] = {}
        for part, (_, y) in parts.items():
            prefix = f"{part} " if part else ""
            origin = Origin(f"{name}: {part}" if part and target else name, f"{prefix}targets")
            read[part] = to_targets(y, replace(origin, only_column=target), task)
            task = "regression" if read[part][1] is None else "classification"
        targets, classes = with_common_classes(read, name)
        own = {part: (X, targets[part]) for part, (X, _) in parts.items() if part}
        numbered = None
        if groups is not None:
            numbered, _ = to_targets(groups, Origin(name, "groups"), "classification")
        return cls(
            name,
            parts[""][0],  # type: ignore[arg-type]
            targets[""],
            classes,
            groups=numbered,  # type: ignore[arg-type]
            sample_weights=sample_weights,
            schema=schema,
            target_names=names if classes is None else None,
            **own,  # type: ignore[arg-type]
        )

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        target: object,
        *,
        name: str = "frame",
        task: Task | None = None,
        features: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        categories: Sequence[str] = (),
        groups: str | None = None,
        sample_weights: str | None = None,
        validation: pd.DataFrame | None = None,
        test: pd.DataFrame | None = None,
    ) -> Self:
        """Make a data set from a table; all columns but the target are features. The index is not used.

        Numbers, dates and booleans may have gaps. Text and the pandas type *category* are categories. Text in which
        every cell spells a number, a boolean or an ISO date is a column of these.

        Parameters
        ----------
        frame : DataFrame, or table of Polars or PyArrow
            A row is a sample.
        target : str, list of str, or array_like
            Name of the target column; names of several columns to regress on; or a series or array of the targets,
            which are in the order of the rows.
        name, task, categories
            As for :meth:`from_arrays`.
        features : sequence of str, optional
            Names of the columns that are features, instead of all.
        drop : sequence of str
            Names of columns that are no features, such as a row's number or remarks.
        groups : str, optional
            Name of the column of groups, which is no feature. Own parts that have this column must have other groups.
        sample_weights : str, optional
            Name of the column of sample weights, which is no feature; see :class:`Dataset`. Own parts need none.
        validation, test : DataFrame, optional
            Own validation part and own test part, with the same columns.

        Raises
        ------
        DataError
            If the table cannot be used; the message names column, data row and rule.
        """
        parts = {"": frame, "validation": validation, "test": test}
        given = {
            part: as_frame(one, part or name) for part, one in parts.items() if one is not None
        }
        roles = ColumnRoles(target_names(target), features, drop, groups, sample_weights)
        return cls._of_tables(name, given, target, task, categories, roles)

    @classmethod
    def _of_tables(
        cls,
        name: str,
        tables: Mapping[str, pd.DataFrame],
        target: object,
        task: Task | None,
        categories: Sequence[str],
        roles: ColumnRoles,
        form: CsvFormat | None = None,
    ) -> Self:
        """Make a data set from the tables of its parts; the main part has the name ""."""
        main, named = tables[""], roles.target
        X = roles.features_of(main, name)
        apart = None if named else check_apart(target, X, tables, name)
        schema, rows = Schema.infer(X, categories=categories, origin=Origin(name))
        if form is not None:
            schema = replace(schema, form=form)
        parts: dict[str, tuple[object, object]] = {}
        for part, one in tables.items():
            source = f"{name}: {part}" if part else name
            y = apart if apart is not None else targets_of(one, named, source)
            parts[part] = (one if part else rows), y
        groups = None if roles.groups is None else column(main, roles.groups, name)
        if roles.groups is not None:
            check_groups_apart(tables, roles.groups, name)
        weights = roles.sample_weights
        weights_of_rows = None if weights is None else weights_of(main, weights, name)
        names = tuple(map(str, named)) or None
        return cls._of_parts(name, schema, parts, task, groups, names, weights_of_rows)

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        target: str | list[str],
        *,
        name: str | None = None,
        separator: str = ",",
        decimal: str = ".",
        encoding: str = "utf-8",
        missing: list[str] | None = None,
        dates: dict[str, str] | None = None,
        task: Task | None = None,
        features: list[str] | None = None,
        drop: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        groups: str | None = None,
        sample_weights: str | None = None,
        validation: str | Path | None = None,
        test: str | Path | None = None,
    ) -> Self:
        r"""Make a data set from a CSV file; all columns but the target are features.

        The same table as a data frame gives the same data set. Without `task`, whole numbers and text in the target
        column are class labels; numbers with a decimal point or exponent are values. Text such as ``NA`` or ``007`` is
        a label. Its networks read files of rows in the same form.

        Parameters
        ----------
        path : str or Path
            A file with a header line, not compressed. A first column without a name is an index, and is not used.
        target : str or list of str
            Name of the target column, or names of several columns to regress on.
        name : str, optional
            Name in tables and pictures; by default that of the file, without its ending.
        separator : str, default ","
            The character between two cells, such as ``";"`` or ``"\t"``.
        decimal : {".", ","}, default "."
            The decimal mark of numbers.
        encoding : str, default "utf-8"
            Encoding of the text, such as ``"cp1252"``. UTF-16 is also told by its byte order mark.
        missing : list of str, optional
            What a cell without a value spells, by default the same as for :func:`pandas.read_csv`. In a column of text
            such a cell is a category if it stands in quotes.
        dates : dict of str to str, optional
            Form of the dates in a column, such as ``{"bought": "%d.%m.%Y"}``; other columns have ISO dates.
        task : {"classification", "regression"}, optional
            Task to take instead of the one that the column suggests.
        features, drop, categories, groups, sample_weights
            As for :meth:`from_frame`.
        validation, test : str or Path, optional
            Files of the own validation part and of the own test part, in the same form.

        Raises
        ------
        DataError
            If a file cannot be used; the message names file, column, data row and rule.
        ValueError
            If an argument is out of range.
        """
        check_task(task)
        given = CsvFormat.missing if missing is None else missing
        form = CsvFormat(separator, decimal, encoding, given, dates or {})
        paths = {"": path, "validation": validation, "test": test}
        names = [str(one) for one in target_names(target)]
        tables = {
            part: read_csv_with_targets(one, names, task, form)
            for part, one in paths.items()
            if one is not None
        }
        roles = ColumnRoles(target_names(target), features, drop, groups, sample_weights)
        made = cls._of_tables(str(path), tables, target, task, categories, roles, form)
        return made._named(name, Path(path))

    @classmethod
    def from_parquet(
        cls,
        path: str | Path,
        target: str | list[str],
        *,
        name: str | None = None,
        task: Task | None = None,
        features: list[str] | None = None,
        drop: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        groups: str | None = None,
        sample_weights: str | None = None,
        validation: str | Path | None = None,
        test: str | Path | None = None,
    ) -> Self:
        """Make a data set from a Parquet file; all columns but the target are features.

        Parameters
        ----------
        path : str or Path
            A file, or a folder of files with one table.
        name : str, optional
            As for :meth:`from_csv`.
        target, task, features, drop, categories, groups, sample_weights
            As for :meth:`from_frame`.
        validation, test : str or Path, optional
            Files of the own validation part and of the own test part.

        Raises
        ------
        DataError
            If a file cannot be used; the message names file, column, data row and rule.
        """
        paths = {"": path, "validation": validation, "test": test}
        tables = {part: read_parquet(one) for part, one in paths.items() if one is not None}
        roles = ColumnRoles(target_names(target), features, drop, groups, sample_weights)
        made = cls._of_tables(str(path), tables, target, task, categories, roles)
        return made._named(name, Path(path))

    @classmethod
    def from_sequences(
        cls,
        sequences: object,
        targets: object,
        *,
        name: str = "sequences",
        task: Task | None = None,
        per_step: bool = False,
        with_target: object = None,
        extra_ticks: int = 0,
        feature_names: Sequence[str] | None = None,
        target_names: Sequence[str] | None = None,
        groups: object = None,
        sample_weights: ArrayLike | None = None,
        validation: Sequence[object] | None = None,
        test: Sequence[object] | None = None,
    ) -> Self:
        """Make a data set from sequences, which may differ in length.

        A network reads a step at each tick. Its output is read after the last step of each sequence, or with `per_step`
        after every step that has a target. ``docs/recurrent.md`` has examples.

        Parameters
        ----------
        sequences : list of array_like
            For each sequence an array of shape (steps, features), or (steps,) for one feature: finite numbers.
        targets : array_like, or list of array_like
            One label or value per sequence, as `y` of :meth:`from_arrays`. With `per_step` a list: for each sequence an
            array of shape (steps,) or (steps, k).
        per_step : bool, default False
            Whether each step has a target, instead of each sequence.
        with_target : list of array_like, optional
            With `per_step`: for each sequence truth values, shape (steps,), which steps have a target; by default all.
            Other targets are not read.
        extra_ticks : int, default 0
            Ticks that a network has between a step and the reading of its output. After the last step inputs are 0.
        name, task, feature_names, target_names, groups, sample_weights
            As for :meth:`from_arrays`.
        validation, test : tuple of (sequences, targets) or (sequences, targets, with_target), optional
            Own validation part and own test part; none is drawn then.

        Raises
        ------
        DataError
            If the data cannot be used; the message names the first bad sequence and step.

        Examples
        --------
        >>> Dataset.from_sequences([[0.0, 1.0], [2.0], [3.0, 4.0, 5.0]], ["low", "low", "high"]).input_shape
        (3, 1)
        """
        own = {"validation": validation, "test": test}
        given = {"": (sequences, targets, with_target)}
        schema, parts = read_sequences(
            name,
            given | {part: tuple(one) for part, one in own.items() if one is not None},
            per_step=per_step,
            feature_names=feature_names,
            extra_ticks=extra_ticks,
        )
        return cls._of_arrays(name, schema, parts, task, groups, target_names, sample_weights)

    @classmethod
    def from_series(
        cls,
        series: object,
        target: object = None,
        *,
        window: int,
        horizon: int = 1,
        stride: int = 1,
        name: str = "series",
        task: Task = "regression",
        features: Sequence[str] | None = None,
        extra_ticks: int = 0,
        gaps: Gaps = "refuse",
    ) -> Self:
        """Make a data set from a time series: windows of it, each with a later value to predict.

        Parts follow one another in time: validation after training, test after validation. No window, its target
        included, lies in two parts.

        Parameters
        ----------
        series : DataFrame or array_like, shape (times, columns) or (times,)
            Finite numbers; a row is a time. Times are equally far apart: the index of a frame is used to find gaps, if
            it has dates, periods or ascending whole numbers.
        target : str, int, or list of these, optional
            The column to predict, or several; columns of an array have numbers. May be left out if there is one column.
        window : int
            Number of times that a sample has.
        horizon : int, default 1
            How many times after the last one of the window the target lies.
        stride : int, default 1
            Times between the beginnings of two windows.
        name : str, default "series"
            Name in tables and messages.
        task : {"regression", "classification"}, default "regression"
            Whether the target column has values or labels.
        features : list of str, optional
            Columns that are read; by default all, the past of the target too.
        extra_ticks : int, default 0
            As for :meth:`from_sequences`.
        gaps : {"refuse", "split", "ignore"}, default "refuse"
            What happens where a time is missing, or a value (NaN). refuse: an error names the place. split: windows
            over the place are left out. ignore: rows are taken as equally far apart, whatever the index says; missing
            values are still an error.

        Raises
        ------
        DataError
            If the series cannot be used; the message names time and column.
        ValueError
            If a count is below 1.

        Examples
        --------
        >>> weekly = Dataset.from_series(np.arange(100.0), window=7)
        >>> split = weekly.split(seed=0)
        >>> [int(split.raw(part)[1].max()) for part in ("train", "validation", "test")]
        [64, 79, 99]
        """
        windows = read_series(
            name,
            series,
            target,
            window=window,
            horizon=horizon,
            stride=stride,
            features=features,
            extra_ticks=extra_ticks,
            gaps=gaps,
        )
        parts: dict[str, tuple[object, object]] = {"": (windows.sequences, windows.targets)}
        made = cls._of_parts(name, windows.schema, parts, task, None, windows.target_names, None)
        return replace(made, spans=read_only(windows.spans))

    @classmethod
    def from_npz(
        cls,
        path: str | Path,
        X: str = "X",
        y: str = "y",
        *,
        X_validation: str | None = None,
        y_validation: str | None = None,
        X_test: str | None = None,
        y_test: str | None = None,
        name: str | None = None,
        groups: str | None = None,
        task: Task | None = None,
        channels: Channels | None = None,
    ) -> Self:
        """Make a data set from the arrays of an ``.npz`` file, as :meth:`from_arrays` does.

        Parameters
        ----------
        path : str or Path
            A file of :func:`numpy.savez` or :func:`numpy.savez_compressed`. Arrays of Python objects are not read.
        X, y : str
            Names of the arrays of samples and targets.
        X_validation, y_validation, X_test, y_test : str, optional
            Names of the arrays of the own validation part and of the own test part.
        name : str, optional
            As for :meth:`from_csv`.
        groups : str, optional
            Name of the array of groups.
        task, channels
            As for :meth:`from_arrays`.

        Raises
        ------
        DataError
            If the file or an array cannot be used.
        ValueError
            If only one of two names of a part is given.
        """
        pairs = {"": (X, y), "validation": (X_validation, y_validation), "test": (X_test, y_test)}
        for part, pair in pairs.items():
            if (pair[0] is None) != (pair[1] is None):
                raise ValueError(f"X_{part} and y_{part} must be given together; got {pair}")
        names = [one for pair in pairs.values() for one in pair if one is not None]
        arrays = read_npz(path, names if groups is None else [*names, groups])
        own = {
            part: (arrays[pair[0]], arrays[pair[1]])
            for part, pair in pairs.items()
            if part and pair[0] is not None and pair[1] is not None
        }
        options = {"task": task, "channels": channels, "groups": groups and arrays[groups]}
        made = cls.from_arrays(arrays[X], arrays[y], name=str(path), **options, **own)  # type: ignore[arg-type]
        return made._named(name, Path(path))

    @classmethod
    def from_image_folder(
        cls,
        path: str | Path,
        *,
        name: str | None = None,
        size: int | tuple[int, int] | None = None,
        colour: Colour | None = None,
    ) -> Self:
        """Make a data set from a folder of PNG, JPEG or BMP files, in which each class has a folder.

        Folders ``train``, and ``test`` or ``validation`` or both, which hold the folders of classes, are own parts.
        Values are 0 to 255. Labels are the names of folders, as text.

        Parameters
        ----------
        path : str or Path
            The folder. Hidden files are left out.
        name : str, optional
            Name in tables and pictures; by default that of the folder.
        size : int or tuple of int, optional
            Height and width to which all images are resized, whatever their proportions; one number is both. By default
            all images must be of one size.
        colour : {"grey", "rgb"}, optional
            Images are (height, width) if grey, (3, height, width) if RGB; by default grey if all files are grey.

        Raises
        ------
        DataError
            If a file cannot be used; the message names it.
        ValueError
            If `size` or `colour` is out of range.
        """
        parts = read_image_folder(path, size, colour)
        images, labels = parts.pop("")
        channels: Channels | None = "first" if images.ndim == 4 else None
        name = Path(path).resolve().name if name is None else name
        return cls.from_arrays(images, labels, name=name, channels=channels, **parts)  # type: ignore[arg-type]

    @classmethod
    def from_openml(
        cls,
        source: str | int,
        version: int | None = None,
        target: str | None = None,
        *,
        name: str | None = None,
        data_home: str | Path | None = None,
        task: Task | None = None,
        features: list[str] | None = None,
        drop: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        groups: str | None = None,
        sample_weights: str | None = None,
    ) -> Self:
        """Make a data set from one of openml.org, which scikit-learn downloads once and keeps.

        Parameters
        ----------
        source : str or int
            Name, or number on openml.org.
        version : int, optional
            Version of a named data set. It must be given, so that the data stay the same; a number has no versions.
        target : str, optional
            Name of the target column; by default the one that openml.org says.
        name : str, optional
            Name in tables and pictures; by default that on openml.org.
        data_home : str or Path, optional
            Folder of the downloads; by default scikit-learn's, ``~/scikit_learn_data``.
        task, features, drop, categories, groups, sample_weights
            As for :meth:`from_frame`.

        Raises
        ------
        DataError
            If openml.org cannot be reached and the data are not there yet, or the data cannot be used.
        ValueError
            If the version of a name is not given, or that of a number is.
        """
        frame, target, known = fetch_table(source, version, target, data_home)
        roles = ColumnRoles(target_names(target), features, drop, groups, sample_weights)
        name = known if name is None else name
        return cls._of_tables(name, {"": frame}, target, task, categories, roles)

    def _named(self, name: str | None, path: Path) -> Self:
        """Give a data set its name, by default that of its file; until then messages name the file."""
        object.__setattr__(self, "name", path.stem if name is None else name)
        return self

    def _check_target_names(self, names: tuple[str, ...] | None) -> None:
        n_values = 0 if self.classes is not None else self.n_outputs
        check_target_names(names, n_values, self.name)

    def _facts(self) -> dict[str, object]:
        shape = " × ".join(map(str, self.input_shape))
        own = {
            f"{part}_samples": len(one[1])
            for part, one in (("validation", self.validation), ("test", self.test))
            if one is not None
        }
        return {
            "name": self.name,
            "samples": len(self),
            **own,
            "sample_shape": shape,
            "values" if self.classes is None else "classes": self.n_outputs,
        }

    def __repr__(self) -> str:
        """Return one line, without arrays."""
        return line_of(self, self._facts())

    def _repr_html_(self) -> str:
        """Return a small table for notebooks."""
        return table_of(self, self._facts())

    def __len__(self) -> int:
        """Return the number of samples outside own validation and test parts."""
        return len(self.inputs)

    @property
    def task(self) -> Task:
        """Return ``"classification"`` if there are classes, else ``"regression"``."""
        return "regression" if self.classes is None else "classification"

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Return the names of the features, if they have names."""
        return self.schema.names

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return the shape of one raw sample, channels first.

        :attr:`DataSplit.input_shape` is that of a prepared sample.
        """
        return self.schema.sample_shape

    @property
    def n_features(self) -> int:
        """Return the number of values in one raw sample, of sequences in one step."""
        return self.schema.n_features

    @property
    def n_outputs(self) -> int:
        """Return the number of classes, or of values to regress on."""
        return int(self.targets.shape[1]) if self.classes is None else len(self.classes)

    @property
    def output_names(self) -> tuple[str, ...] | None:
        """Return the names of what a network predicts: the labels of classes as text, or the names of values."""
        return self.target_names if self.classes is None else tuple(map(str, self.classes))

    @property
    def value_names(self) -> tuple[str, ...]:
        """Return the names of several values to regress on, or their numbers; nothing for one value or for classes."""
        if self.classes is not None or self.n_outputs == 1:
            return ()
        return self.target_names or tuple(map(str, range(self.n_outputs)))

    @cached_property
    def data_hash(self) -> str:
        """Return the SHA-256 of samples, targets and labels, own parts and groups included, in hexadecimal.

        It depends on the order of the samples, but not on the name, nor on the type in which equal numbers are stored.
        """
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        hash_part(digest, self.schema, self.inputs, self.targets)
        for name, own in (("", self.test), ("validation", self.validation)):
            if own is not None:
                digest.update(name.encode())
                hash_part(digest, self.schema, *own)
        if self.groups is not None:
            digest.update(b"groups")
            digest.update(self.groups.astype("<i8").data)
        if self.spans is not None:
            digest.update(b"spans")
            digest.update(self.spans.astype("<i8").data)
        if self.sample_weights is not None:
            digest.update(b"sample_weights")
            digest.update(np.asarray(self.sample_weights).astype("<f4").data)
        return digest.hexdigest()

    def raw(self, part: Part, rows: NDArray[np.int64]) -> tuple[RawRows, NDArray[Any]]:
        """Return rows of the data set, or of its own validation or test part, with their labels or values.

        Labels have shape (n,). Values are float64 of shape (n, k), or (n,) if there is one for each row, as predictions
        have.
        """
        inputs, targets = self._part(part)
        chosen = inputs.iloc[rows] if isinstance(inputs, pd.DataFrame) else inputs[rows]
        values = targets[self.target_rows(part, rows)]
        if self.classes is not None:
            return chosen, np.array(self.classes)[values]
        return chosen, values[:, 0] if values.shape[1] == 1 else values

    @property
    def n_ticks(self) -> int | None:
        """Number of ticks of a network that reads the sequences; None if samples are no sequences."""
        return self.schema.ticks if isinstance(self.schema, SequenceSchema) else None

    @property
    def has_unequal_sequences(self) -> bool:
        """Whether samples are sequences of different lengths, or have a target for each step."""
        schema, parts = (
            self.schema,
            (self.inputs, *(own[0] for own in (self.validation, self.test) if own)),
        )
        return isinstance(schema, SequenceSchema) and any(
            isinstance(rows, Sequences)
            and rows.readings(schema.ticks, schema.extra_ticks) is not None
            for rows in parts
        )

    @property
    def has_targets_per_step(self) -> bool:
        """Whether steps of sequences have targets, instead of samples."""
        return isinstance(self.schema, SequenceSchema) and self.schema.per_step

    def target_rows(self, part: Part, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of the targets of some samples: the samples' own, unless steps have targets."""
        inputs = self._part(part)[0]
        return inputs.targets_of(rows) if isinstance(inputs, Sequences) else rows

    def split(
        self,
        *,
        seed: int | np.random.SeedSequence,
        validation: float = 0.15,
        test: float = 0.2,
        normalization: NormalizationMethod = "standard",
        stratify: bool = True,
        rare_classes: RareClasses = "refuse",
        fold: tuple[int, int] | None = None,
        target_scaling: TargetScaling = "standard",
        labels_per_class: int | None = None,
    ) -> DataSplit:
        """Split into training, validation and test parts, and prepare all parts by what the training part teaches.

        The parts are disjoint, together hold all samples unless `labels_per_class` is given, and keep the order of the
        data set. Each part gets its share of every class, rounded down or up, and rounded up if it would else have
        none. The result depends on data, seed and arguments only. The parts of a series follow one another in time,
        whatever the seed; windows that straddle two parts are in none.

        Parameters
        ----------
        seed : int or SeedSequence
            Seed of the draw; it is not advanced.
        validation : float, default 0.15
            Fraction of the samples for validation, taken as an exact decimal number; ignored if the data set has its
            own validation part.
        test : float, default 0.2
            Fraction for the test; 0 makes no test part. Ignored if the data set has its own test part.
        normalization : {"standard", "unit", "symmetric", "none"}, default "standard"
            See :meth:`Normalization.fit`.
        stratify : bool, default True
            Whether every part gets its share of every class. Otherwise classes are left to chance.
        rare_classes : {"refuse", "train"}, default "refuse"
            What happens to classes with too few samples for every part: an error, or all their samples go into the
            training part. Folds, and data with groups, take no notice of it.
        fold : tuple of int, optional
            (i, k): the test part is number i of k folds, which the seed draws; `test` is ignored then.
        target_scaling : {"standard", "none"}, default "standard"
            Scaling of each value to regress on: mean 0 and standard deviation 1 in the training part, or none. It has
            no effect in classification.
        labels_per_class : int, optional
            Number of samples of each class that remain of the training and validation parts together, at least 2; the
            others are in no part. Of an own validation part all remain. By default all samples remain.

        Raises
        ------
        DataError
            If a class has too few samples for every part, groups are too few or too large, or values to regress on are
            all the same in the training part, or cannot be told apart in float32.
        ValueError
            If a fraction, the fold, the normalisation, the scaling or the number of labels is out of range.
        """
        rng = np.random.default_rng(seed)
        rows = self._pool.parts(validation, test, stratify, rare_classes, fold, rng)
        if labels_per_class is not None:
            rows |= self._pool.few(labels_per_class, rows, rng)
        origins = {part: Origin(self.name, "inputs", rows[part]) for part in rows}
        raw = {part: self.raw(part, rows[part])[0] for part in rows}
        fitted = Preparation.fit(self.schema, raw["train"], normalization, origins["train"])
        scaling = None
        if self.classes is None:
            of_targets = self.target_rows("train", rows["train"])
            values = self.targets[of_targets].astype(np.float64, copy=False)
            at = Origin(self.name, "targets", of_targets)
            scaling = fit_targets(values, target_scaling, self.target_names, at)
        samples: dict[Part, Samples | None] = {}
        unseen: dict[Part, dict[str, int]] = {}
        for part, indices in rows.items():
            if not len(indices):  # no test part
                samples[part], unseen[part] = None, {}
                continue
            prepared = fitted.transform(raw.pop(part), origin=origins[part])
            unseen[part] = prepared.unseen
            samples[part] = self._samples(part, indices, prepared, scaling)
        return DataSplit(
            self,
            **samples,  # type: ignore[arg-type]
            preparation=fitted,
            target_scaling=scaling,
            rows=rows,
            unseen=unseen,
        )

    def _samples(
        self,
        part: Part,
        rows: NDArray[np.int64],
        prepared: Prepared,
        scaling: Normalization | None,
    ) -> Samples:
        """Return the samples of a part, with the prepared inputs."""
        inputs, readings = read_only(prepared.inputs), prepared.readings
        of_targets = self.target_rows(part, rows)
        targets, weights = read_only(self._part(part)[1][of_targets]), self._weights_of(part, rows)
        if scaling is None:
            return Samples(inputs, targets, weights, readings)
        truth = targets.astype(np.float64, copy=False)
        source = f"{self.name}: {part}" if self._own(part) else self.name
        at = Origin(source, "targets", of_targets)
        scaled = scale_targets(truth, scaling, self.target_names, at)
        return ScaledSamples(inputs, scaled, weights, readings, truth=truth, scaling=scaling)

    def _weights_of(self, part: Part, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Return the weights of some samples of a part; own parts have none."""
        if self.sample_weights is None or self._own(part) is not None:
            return None
        return read_only(np.asarray(self.sample_weights)[rows])

    @property
    def _pool(self) -> Pool:
        """The samples from which parts are drawn."""
        own: dict[Part, int] = {}
        if self.validation is not None:
            own["validation"] = len(self.validation[0])
        if self.test is not None:
            own["test"] = len(self.test[0])
        return Pool(self.name, len(self), self.targets, self.classes, self.groups, self.spans, own)

    def _own(self, part: Part) -> OwnPart | None:
        return {"train": None, "validation": self.validation, "test": self.test}[part]

    def _part(self, part: Part) -> OwnPart:
        """Return the own validation or test part if there is one, else the samples that parts are drawn from."""
        return self._own(part) or (self.inputs, self.targets)
