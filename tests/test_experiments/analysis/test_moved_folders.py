"""Run folders that were renamed, copied or moved are whole runs."""

import shutil

import numpy as np
import pandas as pd
import pytest

from evo.errors import ResultsError
from experiments import load_results


@pytest.fixture
def images(finished):
    return np.random.default_rng(0).normal(size=(20, 8, 8))


def test_a_renamed_run_has_its_winner_and_its_new_name(finished, images, tmp_path):
    renamed = shutil.copytree(finished.path, tmp_path / "renamed")
    results = load_results(renamed)
    assert set(results.runs["run"]) == {"renamed"}
    for predictor in ("best", "winner"):
        getattr(results, predictor)()
    assert np.array_equal(
        results.best().predict_proba(images), finished.best().predict_proba(images)
    )
    assert np.array_equal(
        results.network("cnn", 3).predict_proba(images),
        finished.network("cnn", 3).predict_proba(images),
    )
    pd.testing.assert_frame_equal(results.summary(), finished.summary())
    assert results.verdicts() == finished.verdicts()


def test_copies_are_told_apart_by_their_folders(finished, images, tmp_path):
    paths = [shutil.copytree(finished.path, tmp_path / name / "tiny") for name in ("a", "b")]
    results = load_results(*paths)
    assert results.runs["run"].unique().tolist() == ["a/tiny", "b/tiny"]
    assert len(results.runs.drop_duplicates(["run", "seed"])) == len(results.runs) == 4
    assert np.array_equal(
        results.best().predict_proba(images), finished.best().predict_proba(images)
    )
    results.network("mlp").predict_proba(images)
    with pytest.raises(ResultsError, match="a/tiny and b/tiny have"):
        results.pooled()


def test_a_folder_of_copies_loads_each_under_its_name(finished, tmp_path):
    for name in ("first", "second"):
        shutil.copytree(finished.path, tmp_path / name)
    results = load_results(tmp_path)
    assert set(results.individuals["run"]) == {"first", "second"}
    counts = results.individuals.groupby("run").size()
    assert counts["first"] == counts["second"] == len(finished.individuals)


def test_a_run_that_is_named_twice_is_loaded_once(finished, monkeypatch):
    monkeypatch.chdir(finished.path.parent)
    results = load_results("tiny", finished.path, finished.path / ".." / "tiny")
    assert len(results.paths) == 1
    pd.testing.assert_frame_equal(results.individuals, finished.individuals)
