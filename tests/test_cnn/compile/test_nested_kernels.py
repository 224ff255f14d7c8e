"""Kernels that kernels call. The module names the versions of Numba with which this file passed."""

import ctypes
import importlib.util
import logging

import numba
import numpy as np
import pytest
from numba.core.codegen import JITCodeLibrary
from numba.core.environment import lookup_environment

from cnn.compile import compilation, nested_kernels

BATCH = np.linspace(-3, 3, 100, dtype=np.float32)


def _mean(row):
    total = row.dtype.type(0)
    for b in range(row.shape[0]):
        total += row[b]
    if total > 1e6:
        raise ValueError("sum is too large:", total)
    return total / row.shape[0]


def _spread(row):
    mean, total = nested(row), row.dtype.type(0)  # noqa: F821 - the fixture sets it
    for b in range(row.shape[0]):
        total += (row[b] - mean) ** 2
    return total


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """Keep machine code compiled by the test in its own folder."""
    monkeypatch.setattr(compilation, "kernel_cache_directory", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def compile_both(own_cache, monkeypatch):
    """Return a function that compiles a kernel that calls a kernel, and returns both."""

    def compile_anew():
        inner = compilation.allocating_kernel(_mean)  # its error has a value of its own
        monkeypatch.setitem(globals(), "nested", inner)
        return compilation.kernel(_spread), inner

    return compile_anew


def libraries_of(inner):
    """Return the LLVM code of a kernel for each kernel that calls it."""
    return [one.library for one in inner.get_overload.__self__.overloads.values()]


def test_this_version_of_numba_has_what_is_needed():
    assert nested_kernels.missing_parts() == ()
    assert numba.__version__ not in nested_kernels.TESTED_NUMBA or not nested_kernels.MISSING


def test_a_kernel_that_kernels_call_has_neither_machine_code_nor_a_file(compile_both, own_cache):
    outer, inner = compile_both()
    assert outer(BATCH) == pytest.approx(BATCH.var() * len(BATCH))
    assert {path.name.split("-")[0] for path in own_cache.rglob("*.nb*")} == {
        "test_nested_kernels._spread"
    }
    (library,) = libraries_of(inner)
    names = [function.name for function in library.get_defined_functions()]
    assert not [name for name in names if "cpython" in name or "cfunc" in name]
    assert [library.get_pointer_to_function(name) for name in names] == [0] * len(names)


def test_a_kernel_runs_when_python_and_kernels_call_it(compile_both, own_cache):
    outer, inner = compile_both()
    outer(BATCH)
    assert inner(BATCH) == pytest.approx(0, abs=1e-6)
    assert len(list(own_cache.rglob("*.nbc"))) == 2


def test_the_error_of_a_kernel_reaches_python(compile_both):
    outer, _ = compile_both()
    for _ in range(2):
        with pytest.raises(ValueError, match="sum is too large"):
            outer(np.full(4, 1e6, np.float32))


def test_machine_code_from_disk_does_the_same(compile_both):
    first, _ = compile_both()
    expected = first(BATCH)
    second, inner = compile_both()
    assert second(BATCH) == expected
    assert sum(second.stats.cache_hits.values()) == 1
    assert not libraries_of(inner)  # not compiled again
    with pytest.raises(ValueError, match="too large"):
        second(np.full(4, 1e6, np.float32))


def test_the_environment_of_each_kernel_is_set(compile_both):
    """Without its environment a function of Numba cannot use Python objects."""
    outer, _ = compile_both()
    outer(BATCH)
    (compiled,) = outer.overloads.values()
    for name in ("_mean", "_spread"):
        (variable,) = (
            variable.name
            for variable in compiled.library._final_module.global_variables
            if variable.name.startswith("_ZN08NumbaEnv") and name in variable.name
        )
        address = compiled.library.codegen._engine.get_global_value_address(variable)
        assert ctypes.c_void_p.from_address(address).value == id(lookup_environment(variable))


@pytest.fixture
def plain(monkeypatch, caplog):
    """Compile as with a version of Numba that lacks a method."""
    monkeypatch.delattr(JITCodeLibrary.__mro__[1], "_finalize_final_module")
    spec = importlib.util.spec_from_file_location("without", nested_kernels.__file__)
    without = importlib.util.module_from_spec(spec)
    with caplog.at_level(logging.WARNING):
        spec.loader.exec_module(without)
    monkeypatch.undo()
    for name in ("MISSING", "ENTRY_OPTIONS", "NESTED_OPTIONS"):
        monkeypatch.setattr(compilation, name, getattr(without, name))
    return without


def test_a_version_of_numba_that_lacks_a_method_is_reported(plain, caplog):
    missing = "numba.core.codegen.JITCodeLibrary._finalize_final_module"
    assert missing in plain.MISSING
    (record,) = caplog.get_records("setup")
    assert missing in record.getMessage()


def test_such_a_version_gives_the_same_results(plain, compile_both, own_cache):
    outer, _ = compile_both()
    in_plain_way = outer(BATCH)
    assert len(list(own_cache.rglob("*.nbc"))) == 2  # one file a kernel
    for path in own_cache.rglob("*.nb*"):
        path.unlink()
    for name in ("MISSING", "ENTRY_OPTIONS", "NESTED_OPTIONS"):
        setattr(compilation, name, getattr(nested_kernels, name))
    outer, _ = compile_both()
    assert outer(BATCH) == in_plain_way
    assert len(list(own_cache.rglob("*.nbc"))) == 1
