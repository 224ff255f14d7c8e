"""An individual may raise anything: it becomes a status and a reason that tables and logs can hold."""

import asyncio
import signal
import threading
from dataclasses import replace

import pyarrow as pa
import pytest

from evo import Evolution, EvolutionSettings, EvolutionState, FounderSettings, create_founders
from evo.evolution.failures import LONGEST_REASON, LONGEST_TRACEBACK
from evo.evolution.individual import evaluate_individual
from evo.interruption import interruptible


class UnprintableError(Exception):
    def __str__(self):
        raise SystemExit(3)

    __repr__ = __str__


class Outside(BaseException):
    """Not an Exception."""


def deeper():
    deeper()


def raises(error):
    def fitness(network, validation, evaluation):
        raise error

    return fitness


@pytest.fixture
def evaluated(task):
    """Return a function that evaluates one individual with a fitness."""

    def individual(fitness):
        settings = EvolutionSettings(population=1, steps_per_generation=1)
        founders = create_founders(FounderSettings(hidden=6), 4, 2, n_founders=1, seed=0)
        evolution = Evolution(replace(task(fitness=fitness), evolution=settings), founders)
        (job,) = evolution.ask(EvolutionState())
        return evaluate_individual(evolution.task, job)

    return individual


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (ValueError(), "ValueError"),
        (UnprintableError(), "UnprintableError: its text cannot be printed"),
        (ValueError("half \ud800"), "ValueError: half \\ud800"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit("closed"), "GeneratorExit: closed"),
        (MemoryError(), "MemoryError"),
        (asyncio.CancelledError(), "CancelledError"),
        (Outside("all"), "Outside: all"),
    ],
)
def test_whatever_is_raised_becomes_a_reason(evaluated, error, reason):
    failed = evaluated(raises(error))
    assert (failed.status, failed.reason) == ("failed", reason)
    assert type(error).__name__ in failed.traceback
    assert failed.error_at.endswith(" in fitness")
    pa.array([failed.reason, failed.traceback, failed.error_at])  # a table can hold them


def test_a_recursion_without_end_becomes_a_reason(evaluated):
    failed = evaluated(lambda network, validation, evaluation: deeper())
    assert failed.reason.startswith("RecursionError: maximum recursion depth exceeded")
    assert failed.error_at.endswith(" in deeper")


def test_a_reason_and_a_traceback_are_of_bounded_length(evaluated):
    failed = evaluated(raises(ValueError("long " * 100_000)))
    assert len(failed.reason) == LONGEST_REASON
    assert failed.reason.endswith("…")
    assert len(failed.traceback) == LONGEST_TRACEBACK


def test_a_keyboard_interrupt_of_the_fitness_itself_is_told_from_ctrl_c(evaluated, minds_ctrl_c):
    with interruptible():
        assert evaluated(raises(KeyboardInterrupt("mine"))).reason == "KeyboardInterrupt: mine"
        with pytest.raises(KeyboardInterrupt, match="SIGINT"):
            evaluated(lambda network, validation, evaluation: signal.raise_signal(signal.SIGINT))
    # Without a handler of ours Python's own one raises the same exception as the fitness.
    with pytest.raises(KeyboardInterrupt):
        evaluated(raises(KeyboardInterrupt()))


def test_ctrl_c_never_reaches_another_thread(evaluated):
    found = []
    other = threading.Thread(target=lambda: found.append(evaluated(raises(KeyboardInterrupt()))))
    other.start()
    other.join()
    assert found[0].reason == "KeyboardInterrupt"
