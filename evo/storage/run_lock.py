"""The lock of a run folder: one process works on a run at a time, and others are told which one.

The system releases the lock when its owner ends, however it ends, so a dead owner is never waited for.
"""

import json
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from evo.environment import time_now
from evo.errors import ResultsError
from evo.files import write_text

LOCK = ".lock"
OWNER = ".owner.json"
SECONDS_OF_A_PROBE = 0.5
"""Most time for which :func:`is_owned` of another process may hold the lock, to see whether it is free."""


class RunLockedError(ResultsError):
    """Another process works on the run."""


class RunLock:
    """The lock of one run folder.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / LOCK, timeout=SECONDS_OF_A_PROBE)

    def acquire(self) -> None:
        """Take the lock and write down who has it.

        Raises
        ------
        RunLockedError
            If another process, or another store of this process, has it: one line that says which.
        ResultsError
            If the folder cannot be written.
        """
        try:
            self._lock.acquire(poll_interval=0.01)
        except Timeout as error:
            raise RunLockedError(
                f"{self.folder}: another process works on this run ({owner_of(self.folder)})"
            ) from error
        except OSError as error:
            raise ResultsError(f"{self.folder}: cannot be written ({error.strerror})") from error
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": time_now()}
        write_text(self.folder / OWNER, json.dumps(owner) + "\n")

    def release(self, *, for_good: bool = False) -> None:
        """Give the lock back; for good if nobody will work on the run any more, which leaves no hidden file."""
        (self.folder / OWNER).unlink(missing_ok=True)
        removed = not for_good or self._remove()
        self._lock.release()
        if not removed:
            self._remove()

    def _remove(self) -> bool:
        """Remove the file of the lock; return False where the system removes no file that is open, as Windows does."""
        try:
            (self.folder / LOCK).unlink(missing_ok=True)
        except PermissionError:
            return False
        return True


def is_owned(folder: Path) -> bool:
    """Return whether a living process works on a run."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # a folder that cannot be written has no owner
        return False
    lock.release()
    return False


def owner_of(folder: Path) -> str:
    """Return host, process and start of the owner of a run, in words."""
    try:
        owner = json.loads((folder / OWNER).read_text("utf-8"))
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "which one is not known"
