"""What is told of a run while it goes on: to people by reporters, to programs by callbacks.

A reporter shows progress; :mod:`experiments.progress.choice` chooses one. Callbacks are the user's: they hear events
and may stop a run. TensorBoard and MLflow are callbacks, whose packages are imported when such a callback is made. This
room reads no run folder and trains nothing.
"""

from experiments.progress.callbacks import Callback, CallbackError, StopRun
from experiments.progress.choice import default_reporter
from experiments.progress.events import (
    BaselineTrained,
    EpochDone,
    GenerationDone,
    RunBegun,
    RunFinished,
    RunStopped,
)
from experiments.progress.log import LogReporter
from experiments.progress.mlflow import MLflow
from experiments.progress.reporter import Reporter
from experiments.progress.tensorboard import TensorBoard
from experiments.progress.terminal import TerminalReporter

__all__ = [
    "BaselineTrained",
    "Callback",
    "CallbackError",
    "EpochDone",
    "GenerationDone",
    "LogReporter",
    "MLflow",
    "Reporter",
    "RunBegun",
    "RunFinished",
    "RunStopped",
    "StopRun",
    "TensorBoard",
    "TerminalReporter",
    "default_reporter",
]
