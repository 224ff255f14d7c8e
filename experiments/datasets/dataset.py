"""The type of data sets, and their split into training, validation and test parts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cnn.checks import brief, check_weights
from cnn.training.samples import Samples
from evo.display import line_of, table_of
from evo.errors import DataError
from evo.preparation import (
    Channels,
    CsvFormat,
    Labels,
    Normalization,
    NormalizationMethod,
    Origin,
    Preparation,
    RawRows,
    ScaledSamples,
    Schema,
    TargetScaling,
    Task,
)
from evo.preparation.labels import Targets, check_task, to_targets
from evo.preparation.origin import first_place, read_only, row_blocks
from evo.preparation.targets import fit_targets, scale_targets
from experiments.datasets.array_file import read_npz
from experiments.datasets.image_folder import Colour, read_image_folder
from experiments.datasets.openml import fetch_table
from experiments.datasets.partition import (
    RareClasses,
    draw_parts,
    exact_shares,
    few_of_each_class,
)
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

Part = Literal["train", "validation", "test"]
MANY_CLASSES = 20
"""Number of whole numbers as classes from which on they are rather values, if one has too few samples."""

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
    inputs : ndarray of real numbers, shape (n, *shape), or DataFrame
        Flat features (n, features), with NaN where a value is missing; or images (n, height, width) and more
        dimensions. A data frame if some columns are categories or dates.
    targets : ndarray of int64, shape (n,), or of float64, shape (n, k)
        Class indices 0 … len(classes) − 1, or values to regress on.
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

    def __post_init__(self) -> None:
        """Check everything once, and make the arrays read-only."""
        classes, origin = self.classes, Origin(self.name, "inputs")
        if classes is not None and len(set(classes)) < max(2, len(classes)):
            raise DataError(
                f"{self.name}: classes must be two or more different labels; got {brief(classes)}"
            )
        if classes is not None and len({isinstance(label, str) for label in classes}) > 1:
            raise DataError(
                f"{self.name}: classes must be all text or all integers; got {brief(classes)}"
            )
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
        object.__setattr__(self, "targets", self._checked("", rows, self.targets))
        self._check_target_names(self.target_names)
        for name, own in (("validation", self.validation), ("test", self.test)):
            if own is not None:
                rows = schema.rows(own[0], Origin(self.name, f"{name} inputs"))
                checked = rows, self._checked(f"{name} ", rows, own[1])
                self._check_taught(name, checked[1])
                object.__setattr__(self, name, checked)
        if self.sample_weights is not None:
            object.__setattr__(self, "sample_weights", self._checked_weights(self.sample_weights))
        if self.groups is not None:
            if self.groups.shape != (len(self),) or self.groups.dtype.kind not in "iu":
                raise DataError(
                    f"{self.name}: groups must be {len(self)} integers, one per sample; got "
                    f"{self.groups.dtype} of shape {self.groups.shape}"
                )
            object.__setattr__(self, "groups", read_only(self.groups.astype(np.int64)))

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
        targets, classes = _with_common_classes(read, name)
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
        """Return the number of values in one raw sample."""
        return self.schema.n_features

    @property
    def n_outputs(self) -> int:
        """Return the number of classes, or of values to regress on."""
        return int(self.targets.shape[1]) if self.classes is None else len(self.classes)

    @property
    def output_names(self) -> tuple[str, ...] | None:
        """Return the names of what a network predicts: the labels of classes as text, or the names of values."""
        return self.target_names if self.classes is None else tuple(map(str, self.classes))

    @cached_property
    def data_hash(self) -> str:
        """Return the SHA-256 of samples, targets and labels, own parts and groups included, in hexadecimal.

        It depends on the order of the samples, but not on the name, nor on the type in which equal numbers are stored.
        """
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        _hash_part(digest, self.schema, self.inputs, self.targets)
        for name, own in (("", self.test), ("validation", self.validation)):
            if own is not None:
                digest.update(name.encode())
                _hash_part(digest, self.schema, *own)
        if self.groups is not None:
            digest.update(b"groups")
            digest.update(self.groups.astype("<i8").data)
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
        values = targets[rows]
        if self.classes is not None:
            return chosen, np.array(self.classes)[values]
        return chosen, values[:, 0] if values.shape[1] == 1 else values

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
        data set. Each part gets its share
        of every class, rounded down or up, and rounded up if it would else have none. The result depends on data, seed
        and arguments only.

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
        rows = self._partition(validation, test, stratify, rare_classes, fold, rng)
        if labels_per_class is not None:
            rows |= self._few(labels_per_class, rows, rng)
        origins = {part: Origin(self.name, "inputs", rows[part]) for part in rows}
        raw = {part: self.raw(part, rows[part])[0] for part in rows}
        fitted = Preparation.fit(self.schema, raw["train"], normalization, origins["train"])
        scaling = None
        if self.classes is None:
            values = self.targets[rows["train"]].astype(np.float64, copy=False)
            at = Origin(self.name, "targets", rows["train"])
            scaling = fit_targets(values, target_scaling, self.target_names, at)
        samples: dict[Part, Samples | None] = {}
        unseen: dict[Part, dict[str, int]] = {}
        for part, indices in rows.items():
            if not len(indices):  # no test part
                samples[part], unseen[part] = None, {}
                continue
            prepared = fitted.transform(raw.pop(part), origin=origins[part])
            inputs, unseen[part] = read_only(prepared.inputs), prepared.unseen
            samples[part] = self._samples(part, indices, inputs, scaling)
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
        inputs: NDArray[np.float32],
        scaling: Normalization | None,
    ) -> Samples:
        """Return the samples of a part, with the prepared inputs."""
        targets, weights = read_only(self._part(part)[1][rows]), self._weights_of(part, rows)
        if scaling is None:
            return Samples(inputs, targets, weights)
        truth = targets.astype(np.float64, copy=False)
        source = f"{self.name}: {part}" if self._own(part) else self.name
        at = Origin(source, "targets", rows)
        scaled = scale_targets(truth, scaling, self.target_names, at)
        return ScaledSamples(inputs, scaled, weights, truth=truth, scaling=scaling)

    def _weights_of(self, part: Part, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Return the weights of some samples of a part; own parts have none."""
        if self.sample_weights is None or self._own(part) is not None:
            return None
        return read_only(np.asarray(self.sample_weights)[rows])

    def _own(self, part: Part) -> OwnPart | None:
        return {"train": None, "validation": self.validation, "test": self.test}[part]

    def _part(self, part: Part) -> OwnPart:
        """Return the own validation or test part if there is one, else the samples that parts are drawn from."""
        return self._own(part) or (self.inputs, self.targets)

    def _partition(
        self,
        validation: float,
        test: float,
        stratify: bool,
        rare_classes: RareClasses,
        fold: tuple[int, int] | None,
        rng: np.random.Generator,
    ) -> dict[Part, NDArray[np.int64]]:
        """Draw the sample indices of each part."""
        shares = {} if self.validation is not None else {"validation": validation}
        everything = np.arange(len(self))
        if fold is not None:
            first, rest = self._fold(*fold, stratify, rng)
            scale = Fraction(fold[1], fold[1] - 1)
            of_rest = {
                part: scale * one for part, one in exact_shares(shares).items() if part in shares
            }
            drawn = {"test": first} | self._draw(rest, exact_shares(of_rest), stratify, rng)
        else:
            if self.test is None and test:
                shares["test"] = test
            drawn = self._draw(everything, exact_shares(shares), stratify, rng, rare_classes)
        for part in ("validation", "test"):
            own = self._own(part)
            drawn.setdefault(part, np.arange(0 if own is None else len(own[1])))
        return {part: drawn[part] for part in ("train", "validation", "test")}

    def _few(
        self, per_class: int, rows: Mapping[Part, NDArray[np.int64]], rng: np.random.Generator
    ) -> dict[Part, NDArray[np.int64]]:
        """Draw the few samples of each class that remain of the training part and a drawn validation part."""
        if self.classes is None or self.groups is not None:
            of = "values to regress on" if self.classes is None else "groups"
            raise ValueError(
                f"labels_per_class must not be given for data with {of}; got {per_class}"
            )
        if per_class < 2:
            raise ValueError(f"labels_per_class must be at least 2; got {per_class}")
        of_parts: list[Part] = ["train"] if self.validation is not None else ["train", "validation"]
        labels = [f"class {label!r}" for label in self.classes]
        parts = {part: rows[part] for part in of_parts}
        return few_of_each_class(
            self.name, parts, self.targets.astype(np.int64), labels, per_class, rng
        )

    def _fold(
        self, number: int, n_folds: int, stratify: bool, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the samples of one fold, and all others."""
        if self.test is not None:
            raise ValueError(f"fold must not be given with an own test part; got {number, n_folds}")
        if not (n_folds >= 2 and 0 <= number < n_folds):
            raise ValueError(
                f"fold must be (i, k) with k of at least 2 and i from 0 to k − 1; got {number, n_folds}"
            )
        if self.groups is not None and n_folds > (n_groups := len(np.unique(self.groups))):
            raise DataError(
                f"{self.name}: folds must be at most the {n_groups} groups; got {n_folds}"
            )
        everything = np.arange(len(self))
        shares = {f"fold {i}": Fraction(1, n_folds) for i in range(n_folds)}
        chosen = self._draw(everything, shares, stratify, rng)[f"fold {number}"]
        return chosen, np.setdiff1d(everything, chosen)

    def _draw(
        self,
        rows: NDArray[np.int64],
        shares: Mapping[str, Fraction],
        stratify: bool,
        rng: np.random.Generator,
        rare_classes: RareClasses = "refuse",
    ) -> dict[str, NDArray[np.int64]]:
        """Draw parts of some samples, by their shares."""
        strata = np.zeros(len(rows), dtype=np.int64)
        labels: Sequence[str] = ["the data set"]
        if self.classes is not None and stratify:
            strata = self.targets[rows].astype(np.int64)
            labels = [f"class {label!r}" for label in self.classes]
        groups = None if self.groups is None else self.groups[rows]
        try:
            drawn = draw_parts(self.name, strata, labels, shares, groups, rng, rare_classes)
        except DataError as error:
            classes = self.classes or ()
            if len(classes) <= MANY_CLASSES or isinstance(classes[0], str):
                raise
            raise DataError(
                f"{error}; if the {len(classes)} whole numbers are values and no labels, give task='regression'"
            ) from None
        return {part: rows[indices] for part, indices in drawn.items()}

    def _checked_weights(self, given: ArrayLike) -> NDArray[np.float32]:
        """Check the weights of samples and return them read-only."""
        try:
            weights = check_weights(given, len(self.inputs))
        except ValueError as error:
            raise DataError(f"{self.name}: sample_{error}") from None
        return read_only(weights.astype(np.float32))

    def _check_taught(self, part: str, targets: Targets) -> None:
        """Raise DataError if an own part has a class that no network can learn from the other samples."""
        if self.classes is None:
            return
        unknown = targets[~np.isin(targets, self.targets)]
        if len(unknown):
            label = self.classes[int(unknown[0])]
            known = tuple(self.classes[k] for k in np.unique(self.targets).tolist())
            raise DataError(
                f"{self.name}: {part} targets must be classes of the training data, {brief(known)}; "
                f"got {brief(label)}, and {len(unknown)} of {len(targets)} labels that are none"
            )

    def _check_target_names(self, names: tuple[object, ...] | None) -> None:
        """Raise DataError unless names of targets are a different text for each value to regress on."""
        if names is None:
            return
        known = 0 if self.classes is not None else self.n_outputs
        if (
            len(names) != known
            or len(set(names)) < known
            or not all(isinstance(one, str) and one for one in names)
        ):
            rule = f"{known} different texts, one per value" if known else "None in classification"
            raise DataError(f"{self.name}: target_names must be {rule}; got {brief(names)}")

    def _checked(self, part: str, rows: RawRows, targets: Targets) -> Targets:
        """Check the targets of a part and return them read-only."""
        dtype, ndim = (np.float64, 2) if self.classes is None else (np.int64, 1)
        if targets.dtype != dtype:
            raise TypeError(
                f"{self.name}: {part}targets must be {np.dtype(dtype)}; got {targets.dtype}"
            )
        if targets.ndim != ndim or targets.shape[1:] != self.targets.shape[1:]:
            raise DataError(
                f"{self.name}: {part}targets must have shape {('n', 'k')[:ndim]}; got {targets.shape}"
            )
        if len(rows) != len(targets) or not targets.size:
            raise DataError(
                f"{self.name}: {part}targets must be one per sample ({len(rows)}); got {len(targets)}"
            )
        place = first_place(~np.isfinite(targets))
        if place is not None:
            where = Origin(self.name, f"{part}targets").element(place)
            raise DataError(f"{where} must be finite; got {targets[place]}")
        if self.classes is not None:
            place = first_place((targets < 0) | (targets >= len(self.classes)))
            if place is not None:
                where = Origin(self.name, f"{part}targets").element(place)
                raise DataError(
                    f"{where} must be a class index from 0 to {len(self.classes) - 1}; got {targets[place]}"
                )
        return read_only(targets.copy() if targets.flags.writeable else targets)


def _with_common_classes(
    read: Mapping[str, tuple[Targets, Labels | None]], name: str
) -> tuple[dict[str, Targets], Labels | None]:
    """Return the targets of each part, and the classes of all parts."""
    if read[""][1] is None:
        return {part: targets for part, (targets, _) in read.items()}, None
    labels = {label for _, classes in read.values() for label in classes or ()}
    if len({isinstance(label, str) for label in labels}) > 1:
        raise DataError(
            f"{name}: labels of all parts must be text, or all integers; got {brief([*labels])}"
        )
    classes = tuple(sorted(labels))
    indices = {label: index for index, label in enumerate(classes)}
    targets = {}
    for part, (own_indices, own) in read.items():
        index_of = np.array([indices[label] for label in own or ()], dtype=np.int64)
        targets[part] = read_only(index_of[own_indices])
    return targets, classes


def _hash_part(digest: Any, schema: Schema, rows: RawRows, targets: Targets) -> None:
    """Add a part to a hash. Numbers that float32 holds count as float32, whatever type they are stored in."""
    table = schema.read(rows, Origin("inputs"))
    for array in (table.numbers, targets):
        blocks = [array[block] for block in row_blocks(len(array))]
        kind: np.dtype[Any] = np.dtype("<i8")
        if array is not targets or array.dtype.kind == "f":
            exact = all(
                np.array_equal(one, one.astype(np.float32), equal_nan=True) for one in blocks
            )
            kind = np.dtype("<f4" if exact else "<f8")
        digest.update(f"{kind.str}{array.shape}".encode())
        for block in blocks:
            digest.update(np.ascontiguousarray(block, dtype=kind).data)
    if table.texts.size:
        digest.update(json.dumps(table.texts.tolist()).encode())
