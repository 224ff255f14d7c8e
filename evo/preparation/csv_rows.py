"""Reading the rows of a CSV file as text.

The file is data from outside: only local files are opened, nothing is decompressed, and every cell stays text until a
schema says what it means. An error names file, column and data row.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from evo.errors import DataError


def read_table(path: str | Path, *, separator: str = ",", encoding: str = "utf-8") -> pd.DataFrame:
    """Read a CSV file with a header line; every cell is text, and an empty cell is empty text.

    Parameters
    ----------
    path : str or Path
        A local file; the first line names the columns. Spaces around cells and blank lines are left out.
    separator : str, default ","
        The character between two cells.
    encoding : str, default "utf-8"
        Encoding of the text.

    Raises
    ------
    DataError
        If the file is no such table; one line names the file and the rule.
    """
    path = Path(path)
    cells = _read_cells(path, separator, encoding)
    names = _column_names(cells.iloc[0].tolist(), str(path))
    table = cells.iloc[1:].reset_index(drop=True).set_axis(names, axis="columns")
    if table.empty:
        raise DataError(f"{path}: the file must have data rows; got a header only")
    stripped = {name: [cell.strip() for cell in table[name]] for name in names}
    return pd.DataFrame(stripped, dtype=object)


def _read_cells(path: Path, separator: str, encoding: str) -> pd.DataFrame:
    """Read every cell as text, the header included."""
    try:
        with path.open("rb") as stream:
            return pd.read_csv(
                stream,
                header=None,
                dtype=str,
                sep=separator,
                encoding=encoding,
                keep_default_na=False,
                na_filter=False,
                skipinitialspace=True,
            )
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(
            f"{path}: the file must begin with a header line; got an empty file"
        ) from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            f"{path}: the file must be text in {encoding.upper()}; got byte 0x{byte:02x}"
        ) from error
    except pd.errors.ParserError as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise DataError(
            f"{path}: the file must be a comma-separated table; got: {reason}"
        ) from error


def _column_names(header: Sequence[Any], source: str) -> list[str]:
    names: list[str] = []
    for number, cell in enumerate(header, start=1):
        name = str(cell).strip()
        if pd.isna(cell) or not name:
            raise DataError(f"{source}: column {number} must have a name; got an empty cell")
        if name in names:
            raise DataError(f"{source}: names of columns must differ; got {name!r} twice")
        names.append(name)
    return names
