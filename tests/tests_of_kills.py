"""Runs that are killed: a forked process runs an experiment, and is killed at a chosen moment.

A moment is the n-th call of one of the system's functions through which files get to the disk and to their names; or a
time. SIGKILL ends the process there and then: nothing is cleaned up.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import contextmanager

BOUNDARIES = ("fsync", "rename", "replace", "unlink", "mkdir", "rmdir", "truncate")
"""The functions of `os` before whose calls a process is killed."""


class Boundaries:
    """Counts the calls of the functions at the boundaries; kills this process before call number `fatal`."""

    def __init__(self, fatal: int | None = None) -> None:
        self.count, self.fatal = 0, fatal

    def before(self, function: Callable) -> Callable:
        def call(*args, **kwargs):
            if self.count == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            self.count += 1
            return function(*args, **kwargs)

        return call

    @contextmanager
    def counted(self):
        functions = {name: getattr(os, name) for name in BOUNDARIES}
        try:
            for name, function in functions.items():
                setattr(os, name, self.before(function))
            yield self
        finally:
            for name, function in functions.items():
                setattr(os, name, function)


def in_child(work: Callable[[], object], *, fatal: int | None = None, after: float | None = None):
    """Do some work in a forked process, which is killed at a boundary or after some seconds.

    Returns
    -------
    int
        The exit code; minus the number of the signal that ended the process.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if after is not None:
                timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGKILL))
                timer.daemon = True
                timer.start()
            with Boundaries(fatal).counted():
                work()
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def count_boundaries(work: Callable[[], object]) -> int:
    """Return the number of boundaries of some work, which is done in this process."""
    with Boundaries().counted() as counted:
        work()
    return counted.count
