"""Callbacks: the user's own objects that hear the events of runs and may stop a run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from evo.errors import EvoMatrixError
from experiments.progress.events import (
    BaselineTrained,
    EpochDone,
    GenerationDone,
    RunBegun,
    RunFinished,
    RunStopped,
)


class StopRun(Exception):  # noqa: N818 - it asks for something, and is no error
    """A callback raises it to stop its run; what is committed is kept, and the run can be resumed.

    Parameters
    ----------
    reason : str
        Why the run is stopped, for people.

    Attributes
    ----------
    callback : str
        Name of the class of the callback that raised it.
    """

    callback = ""

    def __init__(self, reason: str = "no reason given") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        """Return who stopped the run, and why."""
        return f"{self.callback}: {self.reason}" if self.callback else self.reason


class CallbackError(EvoMatrixError):
    """A callback raised an error. Its run ends and can be resumed; the cause is the error itself."""


class Callback:
    """Hears the events of runs. A callback of your own overrides the methods that it needs.

    The same object hears all runs of a study, whose searches may go on side by side; each event names its run. Events
    of one run come in this order: begun; for each seed its generations, then the epochs and the result of each
    baseline; at last finished or stopped. A run that is resumed begins again, and tells only what is new.

    A method may raise :class:`StopRun`, except `finished` and `stopped`.
    """

    def begun(self, event: RunBegun) -> None:
        """Hear that a run begins, or goes on."""

    def generation(self, event: GenerationDone) -> None:
        """Hear that a generation is complete."""

    def epoch(self, event: EpochDone) -> None:
        """Hear that an epoch of a baseline is over."""

    def trained(self, event: BaselineTrained) -> None:
        """Hear that a baseline is trained."""

    def finished(self, event: RunFinished) -> None:
        """Hear that a run is complete."""

    def stopped(self, event: RunStopped) -> None:
        """Hear that a run ends before it is complete: by a callback, an error, an interruption or its study."""


class Callbacks:
    """Tells events to all callbacks of a run or a study. As a context manager it tells the end of runs that are left.

    Parameters
    ----------
    callbacks : sequence of Callback

    Raises
    ------
    TypeError
        If one is no callback.
    """

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        rule = "callbacks must be a list of callbacks, such as [TensorBoard()]; got"
        if not isinstance(callbacks, list | tuple):
            raise TypeError(f"{rule} a {type(callbacks).__name__}")
        for one in callbacks:
            if not isinstance(one, Callback):
                is_class = isinstance(one, type)
                name = f"the class {one.__name__}" if is_class else f"a {type(one).__name__}"
                raise TypeError(f"{rule} {name} in it")
        self._callbacks = tuple(callbacks)
        self._going_on: dict[str, Path] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Tell that the runs that have begun and are not over are stopped; an error behind it stays the error."""
        reason = "not finished" if error is None else _in_words(error)
        for run in [*self._going_on]:
            try:
                self.stop(run, reason)
            except CallbackError as another:
                if error is None:
                    raise
                error.add_note(str(another))

    def begun(self, event: RunBegun) -> None:
        """Tell that a run begins, once in this process."""
        if event.run not in self._going_on:
            self._going_on[event.run] = event.path
            self._tell("begun", lambda one: one.begun(event))

    def generation(self, event: GenerationDone) -> None:
        """Tell that a generation is complete."""
        self._tell("generation", lambda one: one.generation(event))

    def epoch(self, event: EpochDone) -> None:
        """Tell that an epoch of a baseline is over."""
        self._tell("epoch", lambda one: one.epoch(event))

    def trained(self, event: BaselineTrained) -> None:
        """Tell that a baseline is trained."""
        self._tell("trained", lambda one: one.trained(event))

    def finished(self, event: RunFinished) -> None:
        """Tell that a run is complete."""
        self._going_on.pop(event.run, None)
        self._tell("finished", lambda one: one.finished(event), may_stop=False)

    def stop(self, run: str, reason: str) -> None:
        """Tell that a run ends before it is complete, if it has begun in this process and is not over."""
        path = self._going_on.pop(run, None)
        if path is not None:
            event = RunStopped(run, path, reason)
            self._tell("stopped", lambda one: one.stopped(event), may_stop=False)

    def _tell(
        self, method: str, tell: Callable[[Callback], None], *, may_stop: bool = True
    ) -> None:
        """Tell an event to all callbacks in their order; then raise the first thing that one of them raised."""
        raised: Exception | None = None
        for one in self._callbacks:
            try:
                tell(one)
            except Exception as error:
                raised = raised or _named(error, type(one).__name__, method, may_stop=may_stop)
        if raised is not None:
            raise raised


def _named(error: Exception, callback: str, method: str, *, may_stop: bool) -> Exception:
    """Return what is raised in place of an error of a callback; it names the callback."""
    if may_stop and isinstance(error, StopRun):
        error.callback = callback
        return error
    named = CallbackError(f"callback {callback} raised an error in {method}: {_in_words(error)}")
    named.__cause__ = error
    return named


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
