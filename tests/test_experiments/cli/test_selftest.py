"""``evomatrix selftest``: what it finds, says and returns, and that it finds what is broken."""

from importlib import metadata

import pytest

from evo.errors import EvoMatrixError
from experiments.cli import requirements, selftest
from experiments.cli.app import main
from experiments.cli.selftest import CHECKS, CheckError, SkipCheck

REQUIRES = [
    "numpy>=2.0",
    "absent-package>=1",
    "typer>=99; python_version >= '3'",
    'absent-extra; extra == "mlflow"',
    'numpy; extra == "onnx"',
    'absent-tool; extra == "dev"',
    'absent-elsewhere; sys_platform == "nowhere"',
]


@pytest.fixture
def other_requirements(monkeypatch):
    monkeypatch.setattr(requirements.metadata, "requires", lambda name: REQUIRES)


@pytest.fixture
def ended(capsys):
    """Return a function that runs the command: exit code, output, errors."""

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["selftest", *arguments])
        printed = capsys.readouterr()
        return caught.value.code or 0, printed.out, printed.err

    return call


@pytest.mark.usefixtures("other_requirements")
def test_what_is_missing_or_too_old_is_named_before_anything_is_imported(ended):
    version = metadata.version("typer")
    unmet = f"absent-package is missing; typer must be >=99; got {version}"
    assert ended() == (1, "", f"evomatrix: packages: {unmet}\n")
    assert requirements.missing_extras() == {"mlflow": ["absent-extra"]}


def test_this_environment_has_all_that_is_needed():
    assert requirements.unmet_requirements() == []


def test_every_check_is_done_and_a_failure_is_one_line_and_code_1(monkeypatch, ended):
    def fails(folder, workers):
        raise ValueError("broken\nin two lines")

    def skips(folder, workers):
        raise SkipCheck("not here")

    def works(folder, workers):
        assert (list(folder.iterdir()), workers) == ([], 0)
        return "fine"

    monkeypatch.setattr(selftest, "CHECKS", {"a": fails, "b": skips, "c": works})
    code, out, err = ended("--workers", "0")
    lines = [line.split(" s  ")[-1] for line in out.splitlines()]
    assert [line.split()[:2] for line in out.splitlines()[:3]] == [
        ["failed", "a"],
        ["skipped", "b"],
        ["ok", "c"],
    ]
    assert lines == ["ValueError: broken in two lines", "not here", "fine", "failed: a"]
    assert (code, err) == (1, "")


def test_other_bits_and_other_outputs_are_found(monkeypatch, tmp_path):
    monkeypatch.setattr(selftest, "ARITHMETIC", selftest.SHARED_ARITHMETIC)
    monkeypatch.setattr(selftest, "lenet5", lambda: "0" * 16)
    monkeypatch.setattr(selftest, "sparse_graph", lambda: selftest.DIGESTS["sparse_graph"])
    with pytest.raises(CheckError, match="digests after training must be"):
        CHECKS["same bits"](tmp_path, 0)
    monkeypatch.setattr(selftest, "ARITHMETIC", "another")
    with pytest.raises(SkipCheck, match="the arithmetic is another"):
        CHECKS["same bits"](tmp_path, 0)

    class Wrong(selftest.Phenotype):
        def output(self, inputs):
            return super().output(inputs) + 0.001

    monkeypatch.setattr(selftest, "Phenotype", Wrong)
    with pytest.raises(CheckError, match=r"up to 1e-4; they differ by 0\.001"):
        CHECKS["formula"](tmp_path, 0)


def test_a_run_that_failed_in_part_or_does_not_repeat_is_found(monkeypatch, tmp_path):
    class Finished:
        path = tmp_path

        def failure_lines(self):
            return ["2 of 8 individuals failed"]

    monkeypatch.setattr(selftest, "run", lambda *_, **__: Finished())
    monkeypatch.setattr(selftest, "resume_run", lambda *_, **__: Finished())
    with pytest.raises(CheckError, match="2 of 8 individuals failed"):
        CHECKS["run, stop, resume"](tmp_path, 0)
    with pytest.raises(EvoMatrixError, match="must be the folder of a run"):
        CHECKS["repetition"](tmp_path, 0)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_this_installation_passes(workers, tmp_path):
    outcomes = selftest.selftest(tmp_path, workers=workers)
    assert [(one.name, one.status) for one in outcomes] == [(name, "ok") for name in CHECKS]
    where = f"on {workers} Ray workers" if workers else "in this process"
    assert f"computed again {where}: the same:" in outcomes[-2].text
