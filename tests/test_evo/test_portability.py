"""What only some systems have is taken away, and the real work is done without it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from cnn.compile.processor import host_features, target_features
from evo.environment import environment, usable_cores
from evo.executors.memory import can_limit_memory, limit_memory
from evo.storage.run_reader import is_complete
from evo.storage.run_store import RunStore

ROOT = Path(__file__).resolve().parents[2]


def finished_run(folder):
    """Begin, stop, go on with and finish a run that has a row and a picture."""
    store = RunStore.create(folder / "run", config="{}\n", environment={"python": "3"})
    store.close()
    store = RunStore.open(folder / "run")
    store.save_figure("one.png", b"picture")
    store.complete()
    store.close()
    return store.path


@pytest.fixture
def no_open_folders(monkeypatch):
    """Let no folder be opened, as on Windows."""
    opened = os.open

    def refusing(path, *arguments, **options):
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(PermissionError):
        os.open(ROOT, os.O_RDONLY)


@pytest.mark.usefixtures("no_open_folders")
def test_a_run_is_written_where_no_folder_can_be_opened(tmp_path):
    assert is_complete(finished_run(tmp_path))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_run_is_written_where_no_folder_can_be_flushed(number, tmp_path, monkeypatch):
    refused, fsync = [], os.fsync

    def refusing(descriptor):
        if os.path.isdir(f"/dev/fd/{descriptor}"):  # noqa: PTH112 - of a descriptor
            refused.append(descriptor)
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)
    assert is_complete(finished_run(tmp_path))
    assert refused


def test_a_finished_run_has_no_lock_where_open_files_cannot_be_removed(tmp_path, monkeypatch):
    held, unlink = [], Path.unlink

    def refusing(path, **options):
        if path.name == ".lock" and _is_open(path):
            held.append(path)
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refusing)
    path = finished_run(tmp_path)
    assert held == [path / ".lock"]
    assert not [one.name for one in path.iterdir() if one.name.startswith(".")]


def _is_open(path):
    """Return whether this process has a file open."""
    links = (one for one in Path("/proc/self/fd").iterdir() if one.exists())
    return any(one.samefile(path) for one in links)


def test_cores_are_counted_where_there_is_no_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_memory_is_limited_on_linux_only(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not can_limit_memory()
    with pytest.raises(
        ValueError, match=r"memory must be None on a system other than Linux; got 2"
    ):
        limit_memory(2.0)


def test_a_processor_of_unknown_features_has_none(monkeypatch):
    def unknown():
        raise RuntimeError("LLVM cannot tell")

    monkeypatch.setattr(llvm, "get_host_cpu_features", unknown)
    assert host_features() == {}
    assert target_features() == frozenset()
    assert environment()["cpu_features"] == []


def test_chosen_features_are_those_that_are_switched_on(monkeypatch):
    monkeypatch.setattr("numba.config.CPU_FEATURES", "+avx2,-fma,+sse3")
    assert target_features() == {"avx2", "sse3"}


WITHOUT = """
import json, os, signal, sys

import filelock, networkx, numba, pandas, platformdirs, pyarrow.parquet, scipy.sparse, sklearn

for name in ("sched_getaffinity", "fork", "getloadavg", "sysconf", "uname", "getuid", "nice"):
    delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGALRM", "SIGUSR1", "setitimer"):
    delattr(signal, name)
sys.modules["resource"] = sys.modules["pwd"] = sys.modules["termios"] = sys.modules["ray"] = None

from evo import SettingsError
from experiments import Experiment, resume, run, verify

experiment = Experiment(
    dataset={"name": "xor"}, seeds=1, baseline={"arms": []},
    evolution={"population": 2, "generations": 1, "steps_per_generation": 2},
)
results = run(experiment, workers=0, figures=False, quiet=True)
assert results.failure_lines() == []
resume(results.path, workers=0, quiet=True)
assert "ray" not in json.loads((results.path / "environment.json").read_text())["packages"]
try:
    verify(results.path, workers=1, quiet=True)
except SettingsError as error:
    print(error)
print(verify(results.path, workers=0, quiet=True))
"""
"""A run on a system that has none of what Windows lacks; libraries are imported before, for they know their system."""


@pytest.mark.slow
def test_a_run_needs_nothing_that_only_some_systems_have(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    refused, same = done.stdout.splitlines()
    assert refused == "workers must be 0 where Ray is not installed (pip install ray); got 1"
    assert same.startswith("the same: ")


@pytest.mark.slow
@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_no_name_is_used_that_another_system_lacks(system, tmp_path):
    """mypy knows from typeshed what each system has; a name is used only behind a question for it."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--platform", system, "--cache-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
