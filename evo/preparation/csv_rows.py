"""Reading the rows of a CSV file as text, spelled as the rest of the program spells numbers and dates.

The file is data from outside: only local files are opened, nothing is decompressed, and every cell stays text until a
schema says what it means. An error names file, column and data row.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pandas as pd

from cnn.checks import brief
from evo.errors import DataError
from evo.preparation.cells import MISSING, Quoted, Respelled, Verbatim

SEPARATORS = ",;\t|"
"""Separators that are looked for where a file has another than was said."""

WITH_COMMA = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)
WITH_POINT = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

QUOTED, END = "\ufdd0", "\ufdd1"
"""Characters that Unicode keeps out of texts: before a cell in quotes, and after the last line."""

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

OTHER_FILES = {
    b"\x1f\x8b": "a gzip file, which must be unpacked first",
    b"PK\x03\x04": "a zip archive or an Excel file; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save the sheet as CSV",
    b"PAR1": "a Parquet file",
}

IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
"""Endings of files that `experiments.read_images` reads."""


@dataclass(frozen=True)
class CsvFormat:
    r"""How a CSV file spells rows. It is stored with a network, which reads files of rows in the same way.

    Attributes
    ----------
    separator : str, default ","
        The character between two cells, such as ";" or "\t".
    decimal : {".", ","}, default "."
        The decimal mark of numbers.
    encoding : str, default "utf-8"
        Encoding of the text. UTF-16 is also told by its byte order mark.
    missing : sequence of str
        What a cell without a value spells. In a column of text such a cell is a category if it stands in quotes.
    dates : mapping of str to str
        Form of the dates in a column, such as ``{"bought": "%d.%m.%Y"}``; other columns have ISO dates.

    Raises
    ------
    ValueError
        If a part is out of range.
    TypeError
        If `missing` or `dates` are of another type.
    """

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    missing: Sequence[str] = tuple(sorted(MISSING))
    dates: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every part once."""
        if (
            not isinstance(self.separator, str)
            or len(self.separator) != 1
            or self.separator in '"\r\n'
        ):
            raise ValueError(
                f"separator must be one character, no quotation mark or line end; got {self.separator!r}"
            )
        if self.decimal not in {".", ","} or self.decimal == self.separator:
            raise ValueError(
                f"decimal must be '.' or ',', and not the separator; got {self.decimal!r}"
            )
        try:
            b"a".decode(self.encoding, errors="ignore")
        except (LookupError, TypeError):
            raise ValueError(
                f"encoding must be an encoding of text such as utf-8; got {self.encoding!r}"
            ) from None
        if isinstance(self.missing, str) or not all(isinstance(one, str) for one in self.missing):
            raise TypeError(f"missing must be several texts; got {self.missing!r}")
        object.__setattr__(self, "missing", tuple(one.strip() for one in self.missing))
        if not isinstance(self.dates, Mapping):
            raise TypeError(f"dates must map columns to forms of dates; got {self.dates!r}")

    @property
    def missing_labels(self) -> frozenset[str]:
        """What a label that is missing spells: only what was said, for ``NA`` and ``None`` may be labels."""
        return frozenset([""] if {*self.missing} == MISSING else self.missing)

    def spelled_plainly(self, texts: Sequence[str], name: str, source: str) -> list[str | None]:
        """Return the cells of a column with decimal points and ISO dates; None where a value is missing.

        Raises
        ------
        DataError
            If a cell is no date where dates are said to be.
        """
        absent = {*self.missing}
        found: list[str | None] = []
        for text in texts:
            if isinstance(text, Quoted):
                found.append(text)
            elif text in absent:
                found.append(None)
            elif text in MISSING:
                found.append(Verbatim(text))
            else:
                found.append(self._with_point(text) if self.decimal == "," else text)
        return self._with_iso_dates(found, name, source) if name in self.dates else found

    @staticmethod
    def _with_point(text: str) -> str:
        if WITH_COMMA.fullmatch(text):
            return Respelled.with_point(text) if "," in text else text
        return Verbatim(text) if WITH_POINT.fullmatch(text) else text

    def _with_iso_dates(
        self, cells: Sequence[str | None], name: str, source: str
    ) -> list[str | None]:
        form = self.dates[name]
        try:
            column: pd.Series[Any] = pd.Series([*cells], dtype=object)
            times = pd.to_datetime(column, format=form, errors="coerce", utc=True)
        except ValueError as error:
            raise ValueError(
                f"dates must hold forms such as '%d.%m.%Y'; got {form!r}: {error}"
            ) from None
        found: list[str | None] = []
        for row, (cell, time) in enumerate(zip(cells, times, strict=True)):
            if pd.isna(time) and cell is not None:
                raise DataError(
                    f"{source}: column {brief(name)}, data row {row + 1} must be a date of the form {form!r}; "
                    f"got {brief(cell)}"
                )
            found.append(None if cell is None else time.isoformat())
        return found

    def to_json(self) -> dict[str, Any]:
        """Return a description that JSON can hold."""
        return {
            "separator": self.separator,
            "decimal": self.decimal,
            "encoding": self.encoding,
            "missing": self.missing,
            "dates": dict(self.dates),
        }

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Self:
        """Return the format of a description; ValueError, TypeError or KeyError if it is none."""
        parts = {name: description[name] for name in cls.__dataclass_fields__}
        return cls(**parts | {"missing": tuple(parts["missing"]), "dates": dict(parts["dates"])})


def read_table(path: str | Path, form: CsvFormat | None = None) -> pd.DataFrame:
    """Read a CSV file with a header line; every cell is text, or None where a value is missing.

    Parameters
    ----------
    path, form
        As for :func:`read_texts`.

    Raises
    ------
    DataError
        If the file is no such table; one line names the file and the rule.
    """
    form = form or CsvFormat()
    texts = read_texts(path, form)
    cells = {name: form.spelled_plainly(column, name, str(path)) for name, column in texts.items()}
    return pd.DataFrame(cells, dtype=object)


def read_texts(path: str | Path, form: CsvFormat) -> dict[str, list[str]]:
    """Read the cells of each column as they are spelled in the file.

    Parameters
    ----------
    path : str or Path
        A local file; the first line names the columns. Spaces around cells and blank lines are left out, and so is a
        first column without a name, which is an index.
    form : CsvFormat

    Raises
    ------
    DataError
        If the file is no such table; one line names the file and the rule.
    """
    source = str(path)
    rows = _rows(_text(Path(path), form.encoding), form, source)
    header = next((row for row in rows if row != [""]), None)
    if header is None:
        raise DataError(f"{source}: the file must begin with a header line; got an empty file")
    hint = _other_separator(header, form)
    if hint and len(header) == 1:
        raise DataError(
            f"{source}: the header must name columns between {form.separator!r}; got one, {brief(header[0])}{hint}"
        )
    width = len(header)
    body: list[list[str]] = []
    for row in rows:
        if row == [""] and width > 1:
            continue
        if len(row) < width or any(row[width:]):
            raise DataError(
                f"{source}: data row {len(body) + 1} must have {width} cells, as the header; got {len(row)}{hint}"
            )
        body.append(row[:width])
    if not body:
        raise DataError(f"{source}: the file must have data rows; got a header only")
    columns = [list(column) for column in zip(*body, strict=True)]
    while header[1:] and not header[-1] and not any(columns[-1]):  # a separator at each line's end
        header.pop()
        columns.pop()
    if not header[0] and len(header) > 1:
        del header[0], columns[0]
    return dict(zip(_distinct(header, source), columns, strict=True))


def _text(path: Path, encoding: str) -> str:
    """Read a file as text."""
    if path.suffix.lower() in IMAGES:
        raise DataError(
            f"{path}: the file must be text; got an image: pass read_images({str(path)!r})"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    for beginning, kind in OTHER_FILES.items():
        if content.startswith(beginning):
            raise DataError(f"{path}: the file must be text; got {kind}")
    marks = (mark for mark in BYTE_ORDER_MARKS if content.startswith(mark))
    encoding = BYTE_ORDER_MARKS.get(next(marks, b""), encoding)
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        problem = f"byte 0x{content[error.start]:02x}"
    else:
        wrong = next((one for one in ("\0", QUOTED, END) if one in text), None)
        if wrong is None:
            return text
        problem = f"the character {wrong!a}"
    likely = "utf-16" if b"\0" in content else "cp1252" if encoding != "cp1252" else "utf-8"
    raise DataError(
        f"{path}: the file must be text in {encoding.upper()}; got {problem}; did you mean encoding={likely!r}?"
    )


def _rows(text: str, form: CsvFormat, source: str) -> Iterator[list[str]]:
    """Return the cells of each line that is not blank, without spaces around them."""
    words = "|".join(re.escape(word) for word in {*form.missing, *MISSING} if word)
    between = re.escape(form.separator)
    in_quotes = re.compile(
        rf'(?:(?<=[{between}\n\r])|(?<=\A))( *)"({words})"(?= *(?:[{between}\r\n]|\Z))'
    )
    marked = in_quotes.sub(rf'\1"{QUOTED}\2"', text) if '"' in text else text
    reader = csv.reader(
        io.StringIO(f"{marked}\n{END}", newline=""), delimiter=form.separator, skipinitialspace=True
    )
    row: list[str] = []
    try:
        for row in reader:
            if row and not row[-1].endswith(END):
                yield [_stripped(cell) for cell in row]
    except csv.Error as error:
        raise DataError(
            f"{source}: line {reader.line_num} must be cells; got: {error}; is a quotation mark open?"
        ) from None
    if row != [END]:
        raise DataError(
            f"{source}: a quotation mark must be closed; got one that is open at the end"
        )


def _stripped(cell: str) -> str:
    return Quoted(cell.strip()[1:]) if cell.startswith(QUOTED) else cell.strip()


def _other_separator(header: Sequence[str], form: CsvFormat) -> str:
    """Return a question, if the header has more of another separator than of the one that was said."""
    counts = {one: sum(cell.count(one) for cell in header) for one in SEPARATORS}
    likely = max(counts, key=lambda one: counts[one])
    return f"; did you mean separator={likely!r}?" if counts[likely] >= len(header) else ""


def _distinct(header: Sequence[str], source: str) -> list[str]:
    names: set[str] = set()
    for number, name in enumerate(header, start=1):
        if not name:
            raise DataError(f"{source}: column {number} must have a name; got an empty cell")
        if name in names:
            raise DataError(f"{source}: names of columns must differ; got {brief(name)} twice")
        names.add(name)
    return list(header)
