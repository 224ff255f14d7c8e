"""The settings of a run as further columns of its table ``runs``; a dot in the name tells them from other columns."""

from collections.abc import Mapping, Sequence

import pyarrow as pa


def with_settings(table: pa.Table, settings: Mapping[str, pa.Scalar]) -> pa.Table:
    """Return a table with a column for each setting, which has the same value in every row.

    Raises
    ------
    ValueError
        If a name has no dot: it could be that of another column.
    """
    columns = {}
    for name, value in settings.items():
        if "." not in name:
            raise ValueError(f"settings must have dotted names; got {name!r}")
        columns[name] = pa.repeat(value, len(table))
    return with_columns(table, columns)


def settings_of(table: pa.Table) -> pa.Table:
    """Return the columns of settings."""
    return table.select([name for name in table.column_names if "." in name])


def append_settings(table: pa.Table, settings: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of several runs with their settings, which come as one table for each run.

    A setting that a run does not have is empty there. A setting has one type: if runs have it as whole numbers and as
    numbers it becomes a number, and if they have it as different kinds of values it becomes text.
    """
    types: dict[str, pa.DataType] = {}
    for name, kind in (
        pair for one in settings for pair in zip(one.schema.names, one.schema.types, strict=True)
    ):
        types[name] = _common(types.get(name, kind), kind)
    names = [set(one.column_names) for one in settings]
    columns = {
        name: [
            chunk
            for one, present in zip(settings, names, strict=True)
            for chunk in (
                cast(one[name], kind).chunks if name in present else [pa.nulls(len(one), kind)]
            )
        ]
        for name, kind in types.items()
    }
    return with_columns(
        table, {name: pa.chunked_array(chunks, types[name]) for name, chunks in columns.items()}
    )


def with_columns(table: pa.Table, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    """Return a table with further columns: all at once, as a table of hundreds is slow to make one by one."""
    return pa.table([*table.columns, *columns.values()], names=[*table.column_names, *columns])


def cast(cells: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Return cells with a type; as they are if they have it, which Arrow's own function takes long to find."""
    return cells if cells.type == kind else cells.cast(kind)


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if one == other:
        return one
    numbers = {pa.int64(), pa.float64()}
    return pa.float64() if {one, other} <= numbers else pa.string()
