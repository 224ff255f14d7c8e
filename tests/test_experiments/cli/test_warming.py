"""``evomatrix warm``, with an own cache folder: each test compiles anew."""

import subprocess
import sys

import pytest

from evo.gradient_free.control import COMPILED_TASKS
from experiments.cli import warming
from experiments.cli.app import main
from experiments.cli.warming import PARTS, EvoMatrixError, Part, is_warm, warm

DIGITS = ["run", "digits", "--seeds", "1", "--generations", "4", "--population", "4"]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The cache folder of the processes that the test starts, and of the marks in this process."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    code = "from cnn.compile import kernel_cache_directory as folder; print(folder())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    monkeypatch.setattr(
        warming, "kernel_cache_directory", lambda: type(tmp_path)(told.stdout.strip())
    )
    return tmp_path


def compiled(folder):
    return {path.name for path in folder.rglob("*.nbc")}


def evomatrix(*arguments):
    command = [sys.executable, "-m", "experiments", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_kernel_of_a_task_is_compiled_once():
    kernels = [COMPILED_TASKS[name.replace("-", "_")]().evaluate for name in warming.POLES]
    assert len({*kernels}) == len(kernels)
    assert {*kernels} == {make().evaluate for make in COMPILED_TASKS.values()}


@pytest.mark.slow
def test_a_part_is_compiled_once_and_named(folder):
    said, begun = [], []
    assert not is_warm("cnn")
    warm(["cnn"], said.append, begun.append)
    assert begun == ["CNNs"]
    assert len(said) == 1
    assert said[0].startswith("Compiled CNNs in ")
    assert is_warm("cnn")
    warm(["cnn"], said.append, begun.append)
    assert len(said) == len(begun) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "kernel"),
    [
        ("cnn", "convolution_kernels.gather"),
        ("link-prediction", "link_prediction_kernels.add_paths"),
    ],
)
def test_what_is_warm_is_not_compiled_again(folder, part, kernel):
    warm([part], lambda _: None)
    before = compiled(folder)
    assert any(name.startswith(kernel) for name in before)
    assert evomatrix("warm", "--here", part).returncode == 0
    assert compiled(folder) == before


@pytest.mark.slow
def test_the_error_of_a_process_is_reported(folder, monkeypatch):
    monkeypatch.setitem(warming.PARTS, "unknown", Part("a part of this test", lambda: None))
    with pytest.raises(
        EvoMatrixError, match="a part of this test could not be compiled: evomatrix"
    ):
        warm(["unknown"], lambda _: None)
    assert not is_warm("unknown")


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["warm", "everything"])
    assert f"part must be one of {', '.join(PARTS)}; got 'everything'" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_names_what_it_compiled(folder):
    done = evomatrix("warm", "cnn")
    assert done.returncode == 0
    first, last = done.stdout.splitlines()
    assert first.startswith("Compiled CNNs in ")
    assert str(folder) in last


@pytest.mark.slow
def test_a_run_of_the_compiled_engine_compiles_nothing_after_its_part(folder, tmp_path):
    warm(["compiled"], lambda _: None)
    before = compiled(folder)
    assert any(name.startswith("pole_kernels.evaluate_poles") for name in before)
    preset = ["run", "double-pole", "--seeds", "1", "--generations", "2", "--no-figures"]
    done = evomatrix(*preset, "--results", str(tmp_path / "results"))
    assert done.returncode == 0, done.stderr
    assert "Compiling" not in done.stdout + done.stderr
    assert compiled(folder) == before


@pytest.mark.slow
def test_a_run_after_all_parts_compiles_only_small_kernels(folder, tmp_path):
    warm(list(PARTS), lambda _: None)
    before = compiled(folder)
    done = evomatrix(*DIGITS, "--workers", "0", "--results", str(tmp_path / "results"))
    assert done.returncode == 0, done.stderr
    added = {name.split("-")[0] for name in compiled(folder) - before}
    large = {"training_kernels.descend", "forward_kernels.forward", "backward_kernels.backward"}
    assert not added & large
    assert len(added) < 10
