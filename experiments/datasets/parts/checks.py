"""Checks of the targets, the names and the weights of a data set, once, where it is made."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn.checks import brief, check_weights
from evo.errors import DataError
from evo.preparation import Labels, Origin, RawRows, Sequences
from evo.preparation.labels import Targets
from evo.preparation.origin import first_place, read_only


def check_classes(classes: Labels | None, name: str) -> None:
    """Raise DataError unless classes are two or more different labels of one kind, or None."""
    if classes is None:
        return
    if len(set(classes)) < max(2, len(classes)):
        raise DataError(
            f"{name}: classes must be two or more different labels; got {brief(classes)}"
        )
    if len({isinstance(label, str) for label in classes}) > 1:
        raise DataError(f"{name}: classes must be all text or all integers; got {brief(classes)}")


def with_common_classes(
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


def checked_targets(
    targets: Targets,
    rows: RawRows,
    classes: Labels | None,
    shape: tuple[int, ...],
    name: str,
    field: str,
) -> Targets:
    """Check the targets of a part and return them read-only.

    Parameters
    ----------
    targets : ndarray
        Class indices, int64 of shape (n,), or values, float64 of shape (n, k).
    rows : ndarray, DataFrame or Sequences
        The samples of the part.
    classes : tuple of str or int, or None
    shape : tuple of int
        Shape of one target.
    name, field : str
        Name of the data set, and of the targets, for messages.

    Raises
    ------
    DataError
        If there is not one target for each sample, or a target cannot be used.
    TypeError
        If targets have another type.
    """
    dtype, ndim = (np.float64, 2) if classes is None else (np.int64, 1)
    if targets.dtype != dtype:
        raise TypeError(f"{name}: {field} must be {np.dtype(dtype)}; got {targets.dtype}")
    if targets.ndim != ndim or targets.shape[1:] != shape:
        raise DataError(f"{name}: {field} must have shape {('n', 'k')[:ndim]}; got {targets.shape}")
    n_targets = rows.n_targets if isinstance(rows, Sequences) else len(rows)
    if n_targets != len(targets) or not targets.size:
        raise DataError(f"{name}: {field} must be one per sample ({n_targets}); got {len(targets)}")
    place = first_place(~np.isfinite(targets))
    if place is not None:
        where = Origin(name, field).element(place)
        raise DataError(f"{where} must be finite; got {targets[place]}")
    if classes is not None:
        place = first_place((targets < 0) | (targets >= len(classes)))
        if place is not None:
            where = Origin(name, field).element(place)
            raise DataError(
                f"{where} must be a class index from 0 to {len(classes) - 1}; got {targets[place]}"
            )
    return read_only(targets.copy() if targets.flags.writeable else targets)


def check_taught(
    targets: Targets, taught: Targets, classes: Labels | None, name: str, part: str
) -> None:
    """Raise DataError if an own part has a class that no network can learn from the other samples."""
    if classes is None:
        return
    unknown = targets[~np.isin(targets, taught)]
    if len(unknown):
        label = classes[int(unknown[0])]
        known = tuple(classes[k] for k in np.unique(taught).tolist())
        raise DataError(
            f"{name}: {part} targets must be classes of the training data, {brief(known)}; "
            f"got {brief(label)}, and {len(unknown)} of {len(targets)} labels that are none"
        )


def check_target_names(names: tuple[object, ...] | None, n_values: int, name: str) -> None:
    """Raise DataError unless names are a different text for each of `n_values`, 0 in classification."""
    if names is None:
        return
    if (
        len(names) != n_values
        or len(set(names)) < n_values
        or not all(isinstance(one, str) and one for one in names)
    ):
        rule = (
            f"{n_values} different texts, one per value" if n_values else "None in classification"
        )
        raise DataError(f"{name}: target_names must be {rule}; got {brief(names)}")


def checked_weights(given: ArrayLike, n: int, name: str) -> NDArray[np.float32]:
    """Check the weights of n samples and return them read-only."""
    try:
        weights = check_weights(given, n)
    except ValueError as error:
        raise DataError(f"{name}: sample_{error}") from None
    return read_only(weights.astype(np.float32))


def checked_groups(groups: NDArray[Any], n: int, name: str) -> NDArray[np.int64]:
    """Check the groups of n samples and return them read-only."""
    if groups.shape != (n,) or groups.dtype.kind not in "iu":
        raise DataError(
            f"{name}: groups must be {n} integers, one per sample; got {groups.dtype} of shape {groups.shape}"
        )
    return read_only(groups.astype(np.int64))
