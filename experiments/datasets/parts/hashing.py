"""The hash of a part of a data set."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.preparation import Origin, RawRows, Schema, SequenceSchema
from evo.preparation.labels import Targets
from evo.preparation.origin import row_blocks


def hash_part(digest: Any, schema: Schema, rows: RawRows, targets: Targets) -> None:
    """Add a part to a hash. Numbers that float32 holds count as float32, whatever type they are stored in."""
    table = schema.read(rows, Origin("inputs"))
    for array in (table.numbers, targets):
        blocks: list[NDArray[Any]] = [array[block] for block in row_blocks(len(array))]
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
    if table.sequences is not None and isinstance(schema, SequenceSchema):
        digest.update(f"sequences {schema.ticks} {schema.extra_ticks}".encode())
        digest.update(table.sequences.lengths.astype("<i8").data)
        if table.sequences.with_target is not None:
            digest.update(table.sequences.with_target.astype("u1").data)
