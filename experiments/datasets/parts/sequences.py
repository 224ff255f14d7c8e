"""Sequences with their targets: one for each sequence, or one for each step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.errors import DataError
from evo.preparation import Origin, Sequences, SequenceSchema
from evo.preparation.containers import as_array
from evo.preparation.origin import first_place, read_only


def read_sequences(
    name: str,
    parts: Mapping[str, Sequence[object]],
    *,
    per_step: bool,
    feature_names: Sequence[str] | None,
    extra_ticks: int,
) -> tuple[SequenceSchema, dict[str, tuple[object, object]]]:
    """Read the sequences and the targets of all parts of a data set.

    Parameters
    ----------
    name : str
        Name of the data set, for messages.
    parts : mapping
        By the name of each part, "" for the main one: sequences and their targets, and which steps have a target.
    per_step : bool
        Whether steps have targets, instead of sequences.
    feature_names : sequence of str, optional
    extra_ticks : int
        See :class:`SequenceSchema`.

    Returns
    -------
    schema : SequenceSchema
    parts : dict
        By the same names: the sequences, and the targets of all steps in one array, or the targets as they are.

    Raises
    ------
    DataError
        If a sequence or a target cannot be used; the message names sequence and step.
    """
    read: dict[str, tuple[Sequences, object]] = {}
    names = feature_names
    for part, (X, y, *marks) in parts.items():
        prefix = f"{part} " if part else ""
        sequences, with_target = (
            Sequences.read(X, Origin(name, f"{prefix}sequences"), names),
            [*marks, None][0],
        )
        names = sequences.names
        if per_step:
            origin = Origin(name, f"{prefix}with_target")
            sequences = replace(sequences, with_target=_marks(with_target, sequences, origin))
            steps = _targets_of_steps(y, sequences, Origin(name, f"{prefix}targets"))
            read[part] = sequences, steps
            continue
        if with_target is not None:
            raise DataError(
                f"{name}: {prefix}with_target must not be given unless per_step is true; got "
                f"{type(with_target).__name__}"
            )
        read[part] = sequences, y
    longest = max(sequences.longest for sequences, _ in read.values())
    main = Origin(name, "sequences")
    schema = SequenceSchema.of(
        read[""][0], main, names=names, extra_ticks=extra_ticks, longest=longest
    )
    return schema, {**read}


def _marks(given: Any, sequences: Sequences, origin: Origin) -> NDArray[np.bool_]:
    """Return which steps have a target, shape (n_steps,); by default all."""
    if given is None:
        return read_only(np.ones(len(sequences.steps), np.bool_))
    arrays = _one_for_each(given, sequences, origin)
    for i, one in enumerate(arrays):
        if one.dtype != np.bool_ or one.shape != (sequences.lengths[i],) or not one.any():
            raise DataError(
                f"{origin.element((i,))} must be {sequences.lengths[i]} truth values, one for each step, with at least "
                f"one that is true; got {one.dtype} of shape {one.shape}"
            )
    return read_only(np.concatenate(arrays))


def _targets_of_steps(given: Any, sequences: Sequences, origin: Origin) -> NDArray[Any]:
    """Return the targets of all steps that have one."""
    arrays = _one_for_each(given, sequences, origin)
    marks = np.ones(len(sequences.steps), np.bool_)
    if sequences.with_target is not None:
        marks = sequences.with_target
    kept = []
    for i, (one, start, length) in enumerate(
        zip(arrays, sequences.starts.tolist(), sequences.lengths.tolist(), strict=True)
    ):
        if one.ndim not in {1, 2} or len(one) != length or one.shape[1:] != arrays[0].shape[1:]:
            raise DataError(
                f"{origin.element((i,))} must have {length} targets, one for each step, of one shape in all sequences; "
                f"got shape {one.shape}"
            )
        chosen = marks[start : start + length]
        if one.dtype.kind == "f" and not np.isfinite(one[chosen]).all():
            step, *_ = first_place(
                ~np.isfinite(one) & chosen.reshape(-1, *[1] * (one.ndim - 1))
            ) or (0,)
            raise DataError(
                f"{origin.element((i,))}, step {step} must be finite, or have no target by with_target; got {one[step]}"
            )
        kept.append(one[chosen])
    return np.concatenate(kept)


def _one_for_each(given: Any, sequences: Sequences, origin: Origin) -> list[NDArray[Any]]:
    """Return what is given for each sequence as arrays; DataError unless there are as many."""
    if not hasattr(given, "__len__") or len(given) != len(sequences):
        got = len(given) if hasattr(given, "__len__") else type(given).__name__
        raise DataError(
            f"{origin.whole} must be a list with one array for each of the {len(sequences)} sequences; got {got}"
        )
    return [as_array(one, Origin(origin.element((i,)))) for i, one in enumerate(given)]
