"""The wheel holds all that is needed, and works where there is no checkout."""

import configparser
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cnn", "evo", "experiments", "graphops")


def python(*arguments, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy, which keeps the checkout clean."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    python("-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", cwd=source)
    (built,) = (source / "dist").glob("evomatrix-*-py3-none-any.whl")
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """Build the source distribution from a copy of what is committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    source = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    python("-m", "build", "--sdist", "--no-isolation", "--outdir", source / "dist", cwd=source)
    (built,) = (source / "dist").glob("evomatrix-*.tar.gz")
    return built


def tracked():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Unpack the wheel as pip does, without its dependencies, into a folder of its own."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    python("-m", "pip", "install", *options, "--target", target, wheel, cwd=target.parent)
    return target


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".py", ".pyi", ".toml", ".css", ".js"} or path.name == "py.typed"
    }
    assert packed == expected
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed
    assert "experiments/presets/digits.toml" in packed


def test_the_wheel_installs_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(name).decode())
        assert any(name.endswith("LICENSE") for name in archive.namelist())
    assert dict(entries["console_scripts"]) == {"evomatrix": "experiments.cli.app:main"}


@pytest.mark.slow
def test_the_source_distribution_has_all_that_is_committed(sdist):
    with tarfile.open(sdist) as archive:
        names = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}
    made = {name for name in names if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    tools = {name for name in tracked() if name.startswith(".")}
    assert names - made == set(tracked()) - tools


@pytest.mark.slow
def test_a_wheel_of_the_source_distribution_is_that_of_the_checkout(sdist, wheel, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    python("-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", cwd=folder)
    (again,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        names = {name for name in one.namelist() if ".dist-info/" not in name}
        assert names == {name for name in other.namelist() if ".dist-info/" not in name}
        assert all(one.read(name) == other.read(name) for name in names)


@pytest.mark.slow
def test_the_installed_modules_are_those_of_the_wheel(installed, tmp_path):
    code = f"import {', '.join(PACKAGES)}\nfor m in ({', '.join(PACKAGES)}): print(m.__file__)"
    printed = python("-P", "-c", code, cwd=tmp_path, PYTHONPATH=str(installed))
    assert printed.split() == [str(installed / name / "__init__.py") for name in PACKAGES]


def test_another_package_named_evo_is_recognised_at_import(tmp_path):
    (tmp_path / "evo").mkdir()
    (tmp_path / "evo" / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", "import experiments"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: the package evo at {tmp_path / 'evo'}")
    assert "PyPI's package evo (odometry) has the same import name" in last


@pytest.mark.slow
def test_the_installed_program_lists_its_presets_without_a_checkout(installed, tmp_path):
    printed = python("-P", "-m", "experiments", "presets", cwd=tmp_path, PYTHONPATH=str(installed))
    assert "digits" in printed


@pytest.mark.slow  # it compiles all kernels anew
def test_the_installed_program_runs_an_experiment_without_a_checkout(installed, tmp_path):
    options = "--workers 0 --seeds 1 --generations 1 --population 2 --quiet --results here"
    printed = python(
        *f"-P -m experiments run xor {options}".split(), cwd=tmp_path, PYTHONPATH=str(installed)
    )
    folder = tmp_path / printed.strip()
    assert folder.parent == tmp_path / "here"
    drawn = f"-P -m experiments figures {folder} graph"
    python(*drawn.split(), cwd=tmp_path, PYTHONPATH=str(installed))
    assert (folder / "figures" / "graph.png").is_file()
