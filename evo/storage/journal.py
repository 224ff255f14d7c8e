"""The journal of a run: one line for each commit, appended and flushed to the disk.

A line is a JSON object whose last value, ``sum``, is a checksum of the line and of all lines before it. So a lost,
doubled, swapped or altered line is found. A line that a stopped machine left incomplete was never committed: only the
last line can be one, and it does not count.

The journal says which files a run consists of. A commit names each file with its size and its digest:

1. The files are written under hidden names in ``.pending`` and flushed to the disk.
2. The line that names them is appended to the journal and flushed: this is the commit.
3. The files are renamed to their places, where everybody sees them.

So what is seen is committed. After a stop between 2 and 3, readers find a file under its hidden name.
"""

import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from io import BufferedRandom
from pathlib import Path
from typing import Any

from evo.errors import ResultsError

JOURNAL = "journal.jsonl"
PENDING = ".pending"
SEPARATOR = "~"
"""Stands for ``/`` in the names of pending files, so that one folder holds them all."""

KINDS = ("created", "commit", "compacted", "resumed", "complete", "failed", "stopped")
"""The kinds of lines."""

CREATED, COMMIT, COMPACTED, RESUMED, COMPLETE, FAILED, STOPPED = KINDS


@dataclass(frozen=True)
class CommittedFile:
    """One file as it was committed.

    Attributes
    ----------
    path : str
        Path in the run folder, with ``/`` between its parts.
    size : int
        In bytes.
    digest : str
        BLAKE2b of the contents, 16 bytes as hexadecimal digits.
    commit : int
        Number of the line that committed it.
    is_whole : bool
        Whether it is the only part of its table from then on.
    """

    path: str
    size: int
    digest: str
    commit: int
    is_whole: bool = False

    def has(self, contents: bytes) -> bool:
        """Return whether these are the contents that were committed."""
        return len(contents) == self.size and digest_of(contents) == self.digest

    def hidden(self, folder: Path) -> Path:
        """Return the path that the file has between its commit and its renaming."""
        name = self.path if self.is_whole else self.path.replace("/", SEPARATOR)
        return pending_folder(folder, self.commit) / name


def pending_folder(folder: Path, commit: int) -> Path:
    """Return the folder in which the files of a commit are written."""
    return folder / PENDING / f"{commit:08d}"


def part_path(table: str, commit: int) -> str:
    """Return the path of the part of a table that begins with the rows of a commit.

    Examples
    --------
    >>> part_path("individuals", 12)
    'individuals/part-00000012.parquet'
    """
    return f"{table}/part-{commit:08d}.parquet"


def part_of(path: str) -> tuple[str, int] | None:
    """Return the table of a part and the number of its first commit; None if a path is not that of a part.

    Examples
    --------
    >>> part_of("individuals/part-00000012.parquet")
    ('individuals', 12)
    """
    found = re.fullmatch(r"(\w+)/part-([0-9]{8,12})\.parquet", path)
    return (found[1], int(found[2])) if found else None


def digest_of(contents: bytes) -> str:
    """Return the digest of a file's contents."""
    return hashlib.blake2b(contents, digest_size=16).hexdigest()


def digest_of_file(file: BufferedRandom) -> str:
    """Return the digest of an open file's contents, which need not fit into memory."""
    return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).hexdigest()


@dataclass(frozen=True, eq=False)
class Journal:
    """What the journal of a run says.

    Attributes
    ----------
    entries : tuple of dict
        One for each line.
    n_bytes : int
        Length of these lines. What follows them in the file was never committed.
    checksum : int
        The checksum of the last line.
    files : mapping
        The files of which the run consists, by path.
    """

    entries: tuple[Mapping[str, Any], ...] = ()
    n_bytes: int = 0
    checksum: int = 0
    files: Mapping[str, CommittedFile] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether the run is finished."""
        return any(one["kind"] == COMPLETE for one in self.entries)

    @property
    def stopped(self) -> str:
        """Why the run was stopped before its end, by its study; empty if it was not."""
        return next((str(one.get("reason", "")) for one in self.of_kind(STOPPED)), "")

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do: the run is finished, or was stopped by its study."""
        return self.is_complete or bool(self.stopped)

    @property
    def has_rows(self) -> bool:
        """Whether the run has got beyond its beginning."""
        return any(self.of_kind(COMMIT))

    @property
    def error(self) -> str:
        """The error with which the run ended; empty if there was none."""
        return next((str(one.get("error", "")) for one in self.of_kind(FAILED)), "")

    def of_kind(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """Yield the lines of one kind."""
        return (one for one in self.entries if one["kind"] == kind)


def is_journal(folder: Path) -> bool:
    """Return whether a folder has a journal with at least one whole line."""
    return (folder / JOURNAL).is_file()


def read_journal(folder: Path) -> Journal:
    """Read and check the journal of a run.

    Raises
    ------
    ResultsError
        If there is none, or a line other than an incomplete last one is not as it was written.
    """
    path = folder / JOURNAL
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from error
    entries: list[Mapping[str, Any]] = []
    n_bytes, checksum = 0, 0
    *lines, rest = text.split(b"\n")
    for number, line in enumerate(lines):
        entry = _parsed(line, checksum, number)
        if entry is None:
            if number == len(lines) - 1 and not rest:
                break  # the last line: not wholly written when the machine stopped
            raise ResultsError(
                f"{path}: line {number + 1} must be as it was written; it has been altered, or a line before it is "
                "missing"
            )
        checksum = int(entry["sum"], 16)
        n_bytes += len(line) + 1
        entries.append(entry)
    if not entries:
        raise ResultsError(f"{path}: must have one whole line at least; the run had not begun")
    return Journal(tuple(entries), n_bytes, checksum, _files_of(entries))


def _parsed(line: bytes, before: int, number: int) -> Mapping[str, Any] | None:
    """Return a line as an object; None if it is not the whole line of this number as it was written."""
    body, mark, ending = line.rpartition(b',"sum":"')
    if not mark or ending != f'{zlib.crc32(body, before):08x}"}}'.encode():
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.get("kind") not in KINDS or entry.get("n") != number:
        return None
    files = entry.get("files", {})
    usable = isinstance(files, dict) and all(
        isinstance(of, list) and [*map(type, of)] == [int, str] and _is_inside(name)
        for name, of in files.items()
    )
    return entry if usable and isinstance(entry.get("dropped", []), list) else None


def _is_inside(path: str) -> bool:
    """Return whether a path stays in the folder that it is relative to."""
    parts = path.split("/")
    return all(part not in {"", ".", ".."} for part in parts) and not set(path) & {"\\", SEPARATOR}


def _files_of(entries: Iterable[Mapping[str, Any]]) -> dict[str, CommittedFile]:
    """Return the files that a run consists of after all its commits."""
    files: dict[str, CommittedFile] = {}
    for entry in entries:
        for path in entry.get("dropped", ()):
            files.pop(path, None)
        for path, (size, digest) in entry.get("files", {}).items():
            is_whole = entry["kind"] == COMPACTED
            files[path] = CommittedFile(path, size, digest, entry["n"], is_whole)
    return files


class JournalWriter:
    """Appends lines to the journal of a run.

    Parameters
    ----------
    folder : Path
        The run folder.
    journal : Journal, optional
        What the journal says so far; by default it is new. An incomplete line behind it is cut off.
    """

    def __init__(self, folder: Path, journal: Journal | None = None) -> None:
        self.path = folder / JOURNAL
        self.next = 0 if journal is None else len(journal.entries)
        self._checksum = 0 if journal is None else journal.checksum
        if journal is not None:
            os.truncate(self.path, journal.n_bytes)

    def append(self, kind: str, **values: Any) -> None:
        """Append a line and flush it to the disk.

        Raises
        ------
        ResultsError
            If the file cannot be written. It then has the lines that it had before.
        """
        entry = {"n": self.next, "kind": kind, **values}
        body = json.dumps(entry, separators=(",", ":"))[:-1].encode()
        checksum = zlib.crc32(body, self._checksum)
        line = body + f',"sum":"{checksum:08x}"}}\n'.encode()
        try:
            append_durably(self.path, line)
        except OSError as error:
            raise ResultsError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._checksum = checksum
        self.next += 1


def append_durably(path: Path, contents: bytes) -> None:
    """Append to a file and flush it to the disk; if that fails, the file has its former length again."""
    with path.open("ab") as file:
        before = file.tell()
        try:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, before)
            raise
