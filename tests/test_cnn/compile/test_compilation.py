import math
import re
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
from numba.core.errors import NumbaError
from numba.core.runtime import _nrt_python, rtsys

from cnn.compile import compilation

ROOT = Path(compilation.__file__).resolve().parents[2]


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """Keep machine code compiled by the test in its own folder."""
    monkeypatch.setattr(compilation, "kernel_cache_directory", lambda: tmp_path)
    return tmp_path


def fresh_directory(monkeypatch, chosen):
    monkeypatch.setattr(compilation._numba_settings, "CACHE_DIR", str(chosen))
    return compilation.kernel_cache_directory.__wrapped__()


def test_a_kernel_computes_what_its_function_computes(own_cache):
    def hypotenuse(a, b):
        return math.sqrt(a * a + b * b)

    assert compilation.kernel(hypotenuse)(3.0, 4.0) == hypotenuse(3.0, 4.0) == 5.0


def test_machine_code_lands_in_the_kernel_cache(own_cache):
    assert not compilation.kernels_are_cached()

    @compilation.kernel
    def successor(x):
        return x + 1

    successor(1)
    assert compilation.kernels_are_cached()


def test_other_users_of_numba_keep_their_cache_setting(own_cache):
    before = compilation._numba_settings.CACHE_DIR
    compilation.kernel(lambda x: x)
    assert before == compilation._numba_settings.CACHE_DIR


def test_nan_stays_visible_in_kernels(own_cache):
    @compilation.kernel
    def count_nan(x):
        count = 0
        for value in x:
            count += math.isnan(value)
        return count

    assert count_nan(np.array([1.0, np.nan, np.inf])) == 1


def test_division_by_zero_follows_ieee_754(own_cache):
    @compilation.kernel
    def divide(a, b):
        return a / b

    assert divide(1.0, 0.0) == math.inf


def test_a_kernel_that_makes_arrays_must_say_so(own_cache):
    def squares(x):
        return np.zeros_like(x) + x * x

    with pytest.raises(NumbaError, match=r"returning of array passed|NRT required"):
        compilation.kernel(squares)(np.ones(3))
    assert compilation.allocating_kernel(squares)(np.ones(3)).tolist() == [1, 1, 1]


def test_slices_of_arguments_are_not_counted(own_cache):
    @compilation.kernel
    def add_to(total, x):
        total += x

    @compilation.kernel
    def sum_rows(x, total):
        for i in range(x.shape[0]):
            add_to(total, x[i])

    total = np.zeros(2)
    sum_rows(np.ones((5, 2)), total)
    assert total.tolist() == [5, 5]
    (code,) = sum_rows.inspect_llvm().values()
    assert "NRT_" not in code


@pytest.fixture
def allocations():
    """Count the arrays that compiled code makes and frees."""
    was_counting = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()
    yield rtsys.get_allocation_stats
    if not was_counting:
        _nrt_python.memsys_disable_stats()


def test_what_an_allocating_kernel_made_is_freed(own_cache, allocations):
    @compilation.allocating_kernel
    def doubled(x):
        return 2 * x

    @compilation.allocating_kernel
    def sum_of_doubled(x):
        return doubled(x).sum()

    assert sum_of_doubled(np.ones(4)) == 8
    (code,) = sum_of_doubled.inspect_llvm().values()
    assert "NRT_" in code
    before = allocations()
    assert sum_of_doubled(np.ones(4)) == 8
    after = allocations()
    assert after.alloc - before.alloc == after.free - before.free > 0


def test_a_kernel_that_does_not_count_gets_no_arrays(own_cache):
    @compilation.allocating_kernel
    def pair_of(x):
        return x, x[1:]

    @compilation.kernel
    def sum_of_pair(x):
        return pair_of(x)[1].sum()

    @compilation.kernel
    def parts(x):
        return x[1:], 0

    for function, name in ((sum_of_pair, "pair_of"), (parts, "parts")):
        with pytest.raises(NumbaError, match=f"{name} returns arrays, so it and its callers"):
            function(np.ones(3))


def test_the_cache_lies_in_the_folder_that_numba_was_told(monkeypatch, tmp_path):
    assert fresh_directory(monkeypatch, tmp_path).parent == tmp_path


def test_the_cache_lies_in_the_users_cache_folder_otherwise(monkeypatch, tmp_path):
    monkeypatch.setattr(compilation.platformdirs, "user_cache_path", lambda name: tmp_path / name)
    assert fresh_directory(monkeypatch, "").parent == tmp_path / "evomatrix" / "kernels"


def test_a_folder_that_cannot_be_written_is_replaced_by_a_temporary_one(monkeypatch, tmp_path):
    occupied = tmp_path / "a file, not a folder"
    occupied.write_text("")
    directory = fresh_directory(monkeypatch, occupied)
    assert directory.is_dir()
    assert occupied not in directory.parents


def one_source_a_room():
    """Return a kernel source of each room that has any."""
    return list({source.parent: source for source in compilation.kernel_sources()}.values())


def short(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("module", one_source_a_room(), ids=short)
def test_a_changed_kernel_source_changes_the_folder(module, monkeypatch, tmp_path):
    before = fresh_directory(monkeypatch, tmp_path)
    read = type(module).read_bytes
    monkeypatch.setattr(
        type(module),
        "read_bytes",
        lambda path: read(path) + (b"# changed" if path == module else b""),
    )
    assert fresh_directory(monkeypatch, tmp_path) != before


def test_every_room_with_kernels_is_among_those_above():
    rooms = {short(source.parent) for source in one_source_a_room()}
    assert {"cnn/compile", "cnn/layers/kernels", "cnn/training", "cnn/linear"} < rooms
    assert {"evo/genome", "evo/canonical", "evo/editing", "evo/operators"} < rooms
    assert {"evo/phenotype/kernels", "evo/gradient_free"} < rooms


def test_every_module_with_kernels_is_a_source():
    compiled = ("\n@kernel\n", "\n@overload(", "= intrinsic(")
    with_kernels = {
        path
        for package in compilation.KERNEL_PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if any(mark in path.read_text("utf-8") for mark in compiled)
    }
    assert len(with_kernels) > 20
    assert with_kernels <= set(compilation.kernel_sources())


def test_every_module_whose_constants_kernels_compile_in_is_a_source():
    """Numba compiles a global in as a constant, and its cache does not notice that the global has changed."""
    sources = compilation.kernel_sources()
    imported = {
        ROOT.joinpath(*name.split(".")).with_suffix(".py")
        for source in sources
        for name in re.findall(r"^from ((?:cnn|evo)[\w.]*) import", source.read_text("utf-8"), re.M)
    }
    without_constants = {ROOT / "cnn" / "arrays.py", ROOT / "evo" / "registry.py"}
    modules = {module for module in imported if module.is_file()}
    assert ROOT / "evo" / "genome" / "activations.py" in modules
    assert modules - without_constants <= set(sources)


def test_blas_runs_on_one_thread_inside_the_block_only():
    def threads():
        return [
            entry["num_threads"]
            for entry in threadpoolctl.threadpool_info()
            if entry["user_api"] == "blas"
        ]

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        assert set(before) == {2}
        with compilation.single_threaded_blas():
            assert set(threads()) == {1}
            with compilation.single_threaded_blas():
                assert set(threads()) == {1}
            assert set(threads()) == {1}
        assert threads() == before
