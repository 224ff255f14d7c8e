"""Compare the results of two versions of the code, bit for bit.

``python tests/same_results.py BEFORE AFTER`` compares two folders of runs, or two runs. It prints every difference and
exits with 1 if there is any.

Compared are, run by run, the rows, types and values of every table, and every array and description in every ``.npz``
file. A difference is one line for each table, column, file or array. Not compared are times (of a time only whether
there is one), names of runs, the order of columns and rows, which part of a table a row stands in, settings,
environment and figures.

Names may change where tables of ``CHANGELOG.md`` say so, each under a heading of its title:

*Renamed columns*, ``| table | before | after |``
    The table may be ``*``, which is every table without a row of its own for the column. Where cells hold JSON, a key
    in them is ``column.key``: ``| operations | parameters.share | parameters.fraction |``.
*Renamed values*, ``| table | column | before | after |``
    Of text. The column, or ``column.key``, is called as after its renaming. The table ``description`` is the
    descriptions in ``.npz`` files; its columns are their keys. An arm or experiment is renamed in the names of files
    and folders too. The values ``*`` and ``*`` allow any new values, one to one within a run: for hashes into which
    names go, as those of genomes.
*Renamed arrays*, ``| before | after |``
    Arrays in ``.npz`` files, without the number of the individual; and keys of descriptions.

*Added to results*, ``| where |``
    What results have now and had not before, which is no difference: the beginning of its line of output, without the
    name of the run. A ``*`` stands for any text: ``table runs: column *``.

Rows under several headings of one title are taken together: they lead from BEFORE to AFTER in one step.
"""

import argparse
import json
import re
import struct
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cnn.files import PACKED, read_arrays
from evo.storage.tables import TIMING_TABLES

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"

KEYS = {
    "runs": ("seed",),
    "generations": ("seed", "generation"),
    "population": ("seed", "generation", "slot"),
    "individuals": ("seed", "individual"),
    "operations": ("seed", "individual", "position"),
    "credits": ("seed", "generation", "operator"),
    "training": ("seed", "arm", "individual", "step"),
    "baseline": ("seed", "arm"),
    "comparison": ("seed", "arm"),
}
"""The columns that name a row within a run, as they were called before. Rows of other tables are compared in order."""

RUN_NAME = "run"
"""The column that is not compared: it holds the name of the run's folder, and with it a time."""

DESCRIPTION = "description"
"""The array that holds JSON, and what its keys are columns of in the table of renamed values."""

ANY = "*"

Cells = list[Any]


# -- renames -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Renames:
    """What is called otherwise after than before.

    Parameters
    ----------
    columns : mapping
        Name after, by table and name before; or, of a key in JSON, ``column.key`` for both names.
    values : mapping
        For each table and column, value after by value before.
    arrays : mapping
        Name after by name before.
    added : sequence of str
        Patterns of what there was not before.
    """

    columns: Mapping[tuple[str, str], str] = field(default_factory=dict)
    values: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)
    added: Sequence[str] = ()

    def is_added(self, difference: str) -> bool:
        """Return whether a difference is something that results have now and had not before."""
        where, _, problem = difference.partition(": ")[2].rpartition(": ")
        return problem == "missing before" and any(fnmatchcase(where, one) for one in self.added)

    def column(self, table: str, name: str) -> str:
        """Return what a column is called after."""
        return self.columns.get((table, name), self.columns.get((ANY, name), name))

    def keys_in(self, table: str, column: str) -> dict[str, str]:
        """Return the renamed keys of the JSON in a column, which is called as before."""
        keys = {}
        for one in (ANY, table):  # the table's own rows come last and win
            for (of_table, before), after in self.columns.items():
                if of_table == one and before.startswith(f"{column}."):
                    keys[before.partition(".")[2]] = after.partition(".")[2]
        return keys

    def values_in(self, table: str, column: str) -> dict[str, Mapping[str, str]]:
        """Return the renamed texts in the JSON in a column, by key; both are called as after."""
        return {
            name.partition(".")[2]: self.values_of(table, name)
            for of_table, name in self.values
            if of_table in {ANY, table} and name.startswith(f"{column}.")
        }

    def values_of(self, table: str, column: str) -> Mapping[str, str]:
        """Return the renamed values of a column, which is called as after."""
        return {**self.values.get((ANY, column), {}), **self.values.get((table, column), {})}

    def file(self, name: str) -> str:
        """Return a file's or folder's name with arm or experiment renamed, and without a time.

        Examples
        --------
        >>> renames = Renames(values={("*", "arm"): {"static": "fixed"}})
        >>> renames.file("seed-0-static-inputs"), renames.file("static-2x-seed-1")
        ('seed-0-fixed-inputs', 'static-2x-seed-1')
        >>> renames.file("digits-20260131-235959-2")
        'digits'
        """
        name = re.sub(r"-\d{8}-\d{6}(-\d+)?$", "", name)
        renamed = {
            before: after
            for (_, column), values in self.values.items()
            if column in {"arm", "experiment"}
            for before, after in values.items()
        }
        parts = re.fullmatch(r"(seed-\d+-)?(.+?)(-seed-\d+|-inputs)?", name)
        if parts is None:
            return name
        start, middle, end = parts.groups(default="")
        return start + renamed.get(middle, middle) + end


def read_renames(path: Path = CHANGELOG) -> Renames:
    """Read the renames from the tables of a Markdown file.

    Raises
    ------
    ValueError
        If a table is not of the form that the module's docstring shows, or renames one name twice.
    """
    text = path.read_text("utf-8")
    columns: dict[tuple[str, str], str] = {}
    values: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    arrays: dict[str, str] = {}

    def add(names: dict[Any, str], key: Any, after: str, before: str) -> None:
        if names.setdefault(key, after) != after:
            raise ValueError(f"{path}: {before} is renamed twice, to {names[key]} and {after}")

    for table, before, after in _rows(path, text, "Renamed columns", "table before after"):
        if ("." in before) != ("." in after):
            raise ValueError(f"{path}: {before} and {after} must both be column.key, or neither")
        add(columns, (table, before), after, before)
    for table, column, before, after in _rows(
        path, text, "Renamed values", "table column before after"
    ):
        if (before == ANY) != (after == ANY):
            raise ValueError(f"{path}: values {before} and {after} must both be {ANY}, or neither")
        if before == ANY and (table == DESCRIPTION or "." in column):
            raise ValueError(f"{path}: {ANY} must not be the value of a key in JSON: {column}")
        add(values[table, column], before, after, before)
    for before, after in _rows(path, text, "Renamed arrays", "before after"):
        add(arrays, before, after, before)
    added = [where for (where,) in _rows(path, text, "Added to results", "where")]
    return Renames(columns, dict(values), arrays, added)


def _rows(path: Path, text: str, title: str, header: str) -> Iterator[list[str]]:
    """Yield the rows of the Markdown tables under the headings of a title."""
    names, inside, above = header.split(), False, 0
    for line in text.splitlines():
        heading = re.fullmatch(r"#+\s+(.*?)\s*", line)
        if heading:
            inside = heading[1] == title
        if not inside or not line.lstrip().startswith("|"):
            above = 0
            continue
        cells = [cell.strip().strip("`") for cell in line.strip()[1:].removesuffix("|").split("|")]
        if above == 0 and cells != names:
            raise ValueError(f"{path}: {title} must have the columns {header}; got {line!r}")
        if above > 1:
            if len(cells) != len(names) or not all(cells):
                raise ValueError(
                    f"{path}: {title} must have {len(names)} cells a row; got {line!r}"
                )
            yield cells
        above += 1


def _renamed_json(
    value: Any, keys: Mapping[str, str], values: Mapping[str, Mapping[str, str]], key: str = ""
) -> Any:
    """Rename keys, and texts by the key that they stand under, however deep."""
    if isinstance(value, dict):
        return {
            keys.get(name, name): _renamed_json(inner, keys, values, keys.get(name, name))
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_renamed_json(inner, keys, values, key) for inner in value]
    return values.get(key, {}).get(value, value) if isinstance(value, str) else value


# -- folders and runs --------------------------------------------------------------------------------------------------


def differences(before: str | Path, after: str | Path, renames: Renames) -> list[str]:
    """List every difference between two folders of runs, or two runs.

    Parameters
    ----------
    before, after : str or Path
    renames : Renames
        From before to after.

    Returns
    -------
    list of str
        One line each, which begins with where it is. Two folders without a run differ: nothing was compared.
    """
    first, second = _runs(Path(before), renames), _runs(Path(after), Renames())
    found = [
        f"{path}: holds no run" for path, runs in ((before, first), (after, second)) if not runs
    ]
    for name in sorted(first.keys() | second.keys()):
        pair = first.get(name, []), second.get(name, [])
        if len(pair[0]) != len(pair[1]):
            found.append(f"{name}: {len(pair[0])} runs before, {len(pair[1])} after")
        for one, other in zip(*pair, strict=False):
            found += _run_differences(name, one, other, renames)
    return [one for one in found if not renames.is_added(one)]


def _runs(folder: Path, renames: Renames) -> dict[str, list[Path]]:
    """Return the runs in a folder by name; those that differ in their time alone in its order."""
    runs = defaultdict(list)
    for run in sorted({part.parent.parent for part in folder.rglob("*.parquet")}):
        parts = run.relative_to(folder).parts
        runs["/".join(map(renames.file, parts)) or "."].append(run)
    return dict(runs)


def _run_differences(name: str, before: Path, after: Path, renames: Renames) -> Iterator[str]:
    tables = [
        {path.parent.name for path in run.glob("*/*.parquet")} - TIMING_TABLES
        for run in (before, after)
    ]
    yield from _only_in_one(f"{name}: table", *tables)
    for table in sorted(tables[0] & tables[1]):
        where = f"{name}: table {table}"
        contents, problems = _read_both(_read_table, before / table, after / table)
        yield from (f"{where}: {problem}" for problem in problems)
        if not problems:
            yield from _table_differences(where, table, contents[0], contents[1], renames)

    first, second = _array_files(before, renames), _array_files(after, Renames())
    yield from _only_in_one(f"{name}: file", first, second)
    for file in sorted(first.keys() & second.keys()):
        where = f"{name}: file {file}"
        contents, problems = _read_both(_read_arrays, first[file], second[file])
        yield from (f"{where}: {problem}" for problem in problems)
        if not problems:
            yield from _file_differences(where, contents[0], contents[1], renames)


def _read_both(
    read: Callable[[Path], Any], before: Path, after: Path
) -> tuple[list[Any], list[str]]:
    """Return what could be read, and what could not and why."""
    contents, problems = [], []
    for when, path in (("before", before), ("after", after)):
        try:
            contents.append(read(path))
        except (EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
            problems.append(f"cannot be read {when} ({error})")
    return contents, problems


def _only_in_one(what: str, before: Any, after: Any) -> Iterator[str]:
    """Yield what one of two sets of names has and the other does not."""
    for name in sorted(set(before) - set(after)):
        yield f"{what} {name}: missing after"
    for name in sorted(set(after) - set(before)):
        yield f"{what} {name}: missing before"


# -- tables ------------------------------------------------------------------------------------------------------------


def _read_table(folder: Path) -> pa.Table:
    """Read all parts of a table; a ValueError where their columns are not the same."""
    return pa.concat_tables(
        pq.ParquetFile(part).read() for part in sorted(folder.glob("*.parquet"))
    )


def _table_differences(
    where: str, table: str, before: pa.Table, after: pa.Table, renames: Renames
) -> Iterator[str]:
    old_names = {renames.column(table, name): name for name in before.column_names}
    if len(old_names) < len(before.column_names):
        counted = Counter(renames.column(table, name) for name in before.column_names)
        twice = ", ".join(name for name, count in counted.items() if count > 1)
        yield f"{where}: several columns are renamed to {twice}"
        return
    yield from _only_in_one(f"{where}: column", old_names, after.column_names)

    first: dict[str, Cells] = {}
    second: dict[str, Cells] = {}
    for name, old in old_names.items():
        if name not in after.column_names or old == RUN_NAME:
            continue
        types = before.schema.field(old).type, after.schema.field(name).type
        if types[0] != types[1]:
            yield f"{where}: column {name}: type {types[0]} before, {types[1]} after"
            continue
        first[name], second[name] = _comparable_cells(
            before[old], after[name], table, old, name, renames
        )

    key = [renames.column(table, name) for name in KEYS.get(table, ())]
    key = [name for name in key if name in first]
    places = _places(first, key, len(before)), _places(second, key, len(after))
    for left, right, when in ((*places, "after"), (*places[::-1], "before")):
        missing = [place for place in left if place not in right]
        if missing:
            yield f"{where}: {len(missing)} rows missing {when}, first {_named(key, missing[0])}"

    both = [place for place in places[0] if place in places[1]]
    for name in first:
        cells = [
            (place, first[name][places[0][place]], second[name][places[1][place]]) for place in both
        ]
        same = _one_to_one(cells) if ANY in renames.values_of(table, name) else _same
        differing = [one for one in cells if not same(*one[1:])]
        if differing:
            place, old_cell, new_cell = differing[0]
            yield (
                f"{where}: column {name}: {len(differing)} of {len(cells)} rows differ, first "
                f"{_named(key, place)}: {old_cell!r} before, {new_cell!r} after"
            )


def _comparable_cells(
    before: pa.ChunkedArray,
    after: pa.ChunkedArray,
    table: str,
    old_name: str,
    name: str,
    renames: Renames,
) -> tuple[Cells, Cells]:
    """Return the cells of a column with the old names replaced; of times only whether there is one."""
    old, new = before.to_pylist(), after.to_pylist()
    if old_name.endswith("seconds") or pa.types.is_temporal(before.type):
        return [cell is not None for cell in old], [cell is not None for cell in new]
    keys, inner = renames.keys_in(table, old_name), renames.values_in(table, name)
    if keys or inner:
        return [_json_text(cell, keys, inner) for cell in old], [
            _json_text(cell, {}, {}) for cell in new
        ]
    values = renames.values_of(table, name)
    return [_renamed_cell(cell, values) for cell in old], new


def _renamed_cell(cell: Any, values: Mapping[str, str]) -> Any:
    if isinstance(cell, list):
        return [_renamed_cell(one, values) for one in cell]
    return values.get(cell, cell) if isinstance(cell, str) else cell


def _json_text(
    cell: str | None, keys: Mapping[str, str], values: Mapping[str, Mapping[str, str]]
) -> str | None:
    """Write JSON anew with its keys renamed; what is no JSON stays."""
    try:
        return cell and json.dumps(_renamed_json(json.loads(cell), keys, values))
    except ValueError:
        return cell


def _places(columns: Mapping[str, Cells], key: Sequence[str], length: int) -> dict[Any, int]:
    """Return where each row is, by its key and how often the key was there before."""
    seen: Counter[Any] = Counter()
    places = {}
    for row in range(length):
        values = tuple(columns[name][row] for name in key)
        places[values, seen[values]] = row
        seen[values] += 1
    return places


def _named(key: Sequence[str], place: tuple[tuple[Any, ...], int]) -> str:
    """Say which row it is, as in ``seed 0, individual 3``."""
    values, repeated = place
    names = [f"{name} {value}" for name, value in zip(key, values, strict=True)]
    if repeated or not key:
        names.append(f"row {repeated}")
    return ", ".join(names)


def _same(before: Any, after: Any) -> bool:
    return bool(_bits(before) == _bits(after))


def _bits(value: Any) -> Any:
    """Return what is equal for values that are equal to the bit: NaN to itself, not 0.0 to -0.0, no 1 to 1.0."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, list):
        return [_bits(one) for one in value]
    if isinstance(value, dict):
        return {name: _bits(one) for name, one in value.items()}
    return type(value), value


def _one_to_one(cells: list[tuple[Any, Any, Any]]) -> Callable[[Any, Any], bool]:
    """Return whether two values stand for one another, by the first time that either is there."""
    forwards: dict[Any, Any] = {None: None}
    backwards: dict[Any, Any] = {None: None}
    for _, before, after in cells:
        if before is not None and after is not None:
            forwards.setdefault(before, after)
            backwards.setdefault(after, before)
    return lambda before, after: forwards.get(before) == after and backwards.get(after) == before


# -- arrays ------------------------------------------------------------------------------------------------------------


def _array_files(run: Path, renames: Renames) -> dict[str, Path]:
    """Return the files of arrays in a run by their names after."""
    files = {}
    for path in run.rglob("*.npz"):
        name = path.relative_to(run).with_name(renames.file(path.stem) + path.suffix)
        files[name.as_posix()] = path
    return files


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as loaded:
        arrays = {name: np.asarray(loaded[name]) for name in loaded.files}
    if DESCRIPTION in arrays and PACKED in json.loads(arrays[DESCRIPTION].tobytes()):
        arrays, description = read_arrays(path)
        arrays[DESCRIPTION] = np.frombuffer(json.dumps(description).encode(), np.uint8)
    return arrays


def _file_differences(
    where: str, before: dict[str, NDArray[Any]], after: dict[str, NDArray[Any]], renames: Renames
) -> Iterator[str]:
    old, new = before.pop(DESCRIPTION, None), after.pop(DESCRIPTION, None)
    if (old is None) != (new is None):
        yield f"{where}: description: missing {'before' if old is None else 'after'}"
    elif old is not None and new is not None:
        yield from _description_differences(f"{where}: description", old, new, renames)

    renamed = {}
    for name, array in before.items():
        owner, slash, own = name.rpartition("/")
        renamed[owner + slash + renames.arrays.get(own, own)] = array
    if len(renamed) < len(before):
        yield f"{where}: several arrays are renamed to one name"
        return
    yield from _only_in_one(f"{where}: array", renamed, after)
    for name in sorted(renamed.keys() & after.keys()):
        yield from _array_differences(f"{where}: array {name}", renamed[name], after[name])


def _description_differences(
    where: str, before: NDArray[Any], after: NDArray[Any], renames: Renames
) -> Iterator[str]:
    try:
        old, new = (json.loads(array.tobytes()) for array in (before, after))
    except ValueError:
        yield from _array_differences(where, before, after)
        return
    values = {
        key: renames.values_of(DESCRIPTION, key)
        for table, key in renames.values
        if table == DESCRIPTION
    }
    yield from _json_differences(where, _renamed_json(old, renames.arrays, values), new)


def _json_differences(where: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _only_in_one(f"{where}: key", before, after)
        for name in sorted(before.keys() & after.keys()):
            old, new = before[name], after[name]
            if not (name.endswith("seconds") and isinstance(old, float) and isinstance(new, float)):
                yield from _json_differences(f"{where}.{name}", old, new)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _json_differences(f"{where}.{number}", old, new)
    elif not _same(before, after):
        yield f"{where}: {before!r} before, {after!r} after"


def _array_differences(where: str, before: NDArray[Any], after: NDArray[Any]) -> Iterator[str]:
    for what in ("dtype", "shape"):
        old, new = getattr(before, what), getattr(after, what)
        if old != new:
            yield f"{where}: {what} {old} before, {new} after"
            return
    if before.tobytes() == after.tobytes():
        return
    first_bytes, second_bytes = (
        np.frombuffer(array.tobytes(), np.uint8).reshape(array.size, array.itemsize)
        for array in (before, after)
    )
    differing = np.flatnonzero((first_bytes != second_bytes).any(axis=1))
    first = differing[0]
    yield (
        f"{where}: {len(differing)} of {before.size} elements differ, first {first}: "
        f"{before.flat[first]!r} before, {after.flat[first]!r} after"
    )


# -- by hand -----------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every difference between two folders; return 1 if there is any, else 0."""
    parser = argparse.ArgumentParser(description="Compare the results of two versions of the code.")
    parser.add_argument("before", type=Path, metavar="BEFORE", help="a run or a folder of runs")
    parser.add_argument("after", type=Path, metavar="AFTER", help="the same, made by the new code")
    parser.add_argument(
        "--renames", type=Path, default=CHANGELOG, help="Markdown file that lists what was renamed"
    )
    chosen = parser.parse_args(arguments)
    try:
        renames = read_renames(chosen.renames)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    found = differences(chosen.before, chosen.after, renames)
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
