"""``evomatrix show``: every run for itself, and none that is not finished."""

import shutil

import pytest

from evo import ResultsError
from evo.store import RunStore
from experiments import load_results
from experiments.cli import main


def show(path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["show", str(path)])
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def test_each_run_of_a_folder_is_shown_for_itself(finished, tmp_path, capsys):
    for name in ("first", "second"):
        shutil.copytree(finished.path, tmp_path / name)
    RunStore.create(tmp_path / "third", config="{}", environment={})
    code, out, err = show(tmp_path, capsys)
    assert (code, err) == (0, "")
    assert out.count("The whole search:") == 2
    assert f"{tmp_path / 'third'}: is not finished, so there is no comparison yet" in out


def test_a_path_is_shown_as_it_is_whatever_is_in_it(finished, tmp_path, capsys):
    folder = tmp_path / "[bold]mine :smile:"
    for name in ("[red]", "second"):
        shutil.copytree(finished.path, folder / name)
    RunStore.create(folder / "[none]", config="{}", environment={})
    _, out, _ = show(folder, capsys)
    assert f"Results: {folder / '[red]'}\n" in out
    assert f"{folder / '[none]'}: is not finished" in out


def test_an_unfinished_run_alone_is_one_line(tmp_path, capsys):
    path = RunStore.create(tmp_path / "run", config="{}", environment={}).path
    code, out, err = show(path, capsys)
    assert (code, out) == (2, "")
    assert err == f"evomatrix: {path}: is not finished, so there is no comparison yet\n"
    with pytest.raises(ResultsError, match="holds no finished search"):
        load_results(path).best()
