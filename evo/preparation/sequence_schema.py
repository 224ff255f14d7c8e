"""What sequences look like: the schema of a step, and what a network does with the steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from cnn.checks import whole_number
from evo.errors import DataError
from evo.preparation.origin import Origin
from evo.preparation.schema import RawRows, Schema, Table
from evo.preparation.sequences import Sequences

MAX_TICKS = 2**20
"""Largest number of ticks of a sequence."""


@dataclass(frozen=True, eq=False)
class SequenceSchema(Schema):
    """What sequences look like. What a :class:`Schema` says of a sample, it says of a step.

    Attributes
    ----------
    ticks : int
        Ticks of a network: the steps of the longest sequence and the extra ticks.
    extra_ticks : int
        Ticks between a step and the reading of its output, in which longer sequences go on and others have inputs of 0.
    per_step : bool
        Whether a network predicts at every step, instead of once for each sequence.
    """

    ticks: int = field(default=1, kw_only=True)
    extra_ticks: int = field(default=0, kw_only=True)
    per_step: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Check that the parts agree, for a schema may come from a file."""
        super().__post_init__()
        whole_number("extra_ticks", self.extra_ticks, 0)
        whole_number("ticks", self.ticks, self.extra_ticks + 1)
        if self.ticks > MAX_TICKS:
            raise ValueError(f"ticks must be at most {MAX_TICKS}; got {self.ticks}")
        if len(self.shape) != 1 or {*self.kinds} - {"number"} or self.gaps:
            raise ValueError("the steps of sequences must be rows of numbers without gaps")
        if not isinstance(self.per_step, bool):
            raise ValueError(f"per_step must be true or false; got {self.per_step!r}")

    @classmethod
    def of(
        cls,
        sequences: Sequences,
        origin: Origin,
        *,
        names: Sequence[str] | None,
        extra_ticks: int,
        longest: int,
    ) -> Self:
        """Find out what sequences look like; `longest` is the number of steps of the longest one of all parts."""
        step, _ = Schema.infer(sequences.steps, names=names, origin=origin)
        known = {one.name: getattr(step, one.name) for one in fields(Schema)}
        return cls(
            **known,
            ticks=longest + extra_ticks,
            extra_ticks=extra_ticks,
            per_step=sequences.with_target is not None,
        )

    @property
    def longest(self) -> int:
        """Largest number of steps of a sequence."""
        return self.ticks - self.extra_ticks

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a prepared sequence: (ticks, features)."""
        return self.ticks, self.n_features

    def rows(self, X: object, origin: Origin) -> RawRows:
        """Return sequences as :meth:`Sequences.read` does; DataError as for :meth:`read`."""
        return self.sequences(X, origin)

    def with_gaps_of(self, X: object, origin: Origin) -> Self:
        """Return the schema itself: sequences have no gaps."""
        return self

    def sequences(self, X: object, origin: Origin) -> Sequences:
        """Read sequences, which must have the features and at most as many steps as the training data.

        Raises
        ------
        DataError
            If they have others; the message names the sequence.
        """
        if self.n_features > 1 and isinstance(X, np.ndarray) and X.ndim == 2:
            raise DataError(
                f"{origin.whole} must have shape (sequences, steps, {self.n_features}), or be a list of sequences; got "
                f"{X.shape}; one sequence is [x]"
            )
        found = Sequences.read(X, origin, self.names)
        if found.steps.shape[1] != self.n_features:
            raise DataError(
                f"{origin.whole} must have {self.n_features} features a step; got {found.steps.shape[1]}"
            )
        too_long = np.flatnonzero(found.lengths > self.longest)
        if len(too_long):
            first = int(too_long[0])
            raise DataError(
                f"{origin.element((first,))} must have at most {self.longest} steps, as the longest sequence of the "
                f"data set; got {found.lengths[first]}"
            )
        return found

    def read(self, X: object, origin: Origin, *, by_position: bool = False) -> Table:
        """Read the steps of sequences as the rows of a table, which keeps the sequences.

        If the network predicts at every step, sequences without targets are read at every step.
        """
        found = self.sequences(X, origin)
        if self.per_step and found.with_target is None:
            found = replace(found, with_target=np.ones(len(found.steps), np.bool_))
        table = super().read(found.steps, origin, by_position=by_position)
        return replace(table, sequences=found)

    def to_json(self) -> dict[str, Any]:
        """Return a description that JSON can hold."""
        own = {"ticks": self.ticks, "extra_ticks": self.extra_ticks, "per_step": self.per_step}
        return super().to_json() | {"sequences": own}

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Self:
        """Return the schema of a description; ValueError, TypeError or KeyError if it is none."""
        step = Schema.from_json(description)
        known = {one.name: getattr(step, one.name) for one in fields(Schema)}
        return cls(**known, **description["sequences"])
