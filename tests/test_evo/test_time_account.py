"""Each moment of a block counts once, for the activity that was begun last."""

import threading
import time

import numba
import pytest

from evo.time_account import counting_time, spending, time_spent


def wait(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_each_moment_counts_for_the_innermost_activity():
    started = time.perf_counter()
    with counting_time():
        with spending("train"):
            wait(0.02)
            with spending("describe"):
                wait(0.03)
            wait(0.01)
        with spending("train"):
            wait(0.01)
        spent, whole = time_spent(), time.perf_counter() - started
    assert spent.keys() == {"train", "describe", "other"}
    assert spent["train"] >= 0.04
    assert spent["describe"] >= 0.03
    assert sum(spent.values()) == pytest.approx(whole, abs=5e-3)


def test_an_activity_ends_with_an_error_too():
    with counting_time():
        with pytest.raises(ValueError, match="no"), spending("train"):
            raise ValueError("no")
        before = time_spent()["train"]
        wait(0.01)
        assert time_spent()["train"] == before


def test_without_an_account_nothing_is_counted():
    with spending("train"):
        assert time_spent() == {}
    with counting_time():
        assert time_spent().keys() == {"other"}


def test_an_inner_account_counts_for_the_activity_around_it():
    with counting_time(), spending("verify"):
        with counting_time():
            with spending("train"):
                wait(0.02)
            assert time_spent()["train"] >= 0.02
        found = time_spent()
    assert found["verify"] >= 0.02
    assert "train" not in found


def test_each_thread_has_an_account_of_its_own():
    def work():
        with spending("train"):
            wait(0.01)

    with counting_time():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert "train" not in time_spent()


def test_compilation_counts_wherever_it_happens():
    @numba.njit
    def new(number):
        return number + 1

    with counting_time():
        with spending("train"):
            assert new(1) == 2
            wait(0.01)
        found = time_spent()
    assert found["compile"] > 0.01
    assert 0.01 <= found["train"] < found["compile"]
