"""A run in which all samples train or validate: there is a winner, and no comparison."""

from types import SimpleNamespace

import pytest

from evo.errors import ResultsError, SettingsError
from experiments import load_results, run
from experiments.cli.app import main
from experiments.figures.pictures import save_figures


@pytest.fixture(scope="module")
def untested(tiny, tmp_path_factory):
    settings = tiny(seeds=1, dataset={"test": 0}, baseline={"arms": ["mlp"], "hidden": 6})
    folder = tmp_path_factory.mktemp("untested")
    return run(settings, workers=0, results=folder, run_name="tiny")


def test_it_has_a_winner_and_baselines_and_no_comparison(untested):
    assert untested.runs["n_test"].tolist() == [0]
    assert untested.runs["n_train"].iloc[0] + untested.runs["n_validation"].iloc[0] == 1797
    assert untested.comparison.empty
    assert untested.predictions.empty
    assert untested.baseline["arm"].tolist() == ["mlp"]
    assert untested.best().predict([[0] * 64]).shape == (1,)
    drawn = {}
    save_figures(untested, SimpleNamespace(save_figure=drawn.__setitem__))
    assert drawn.keys() == {"generations.png", "graph.png", "matrix.png"}
    for ask in (untested.summary, untested.verdicts):
        with pytest.raises(ResultsError, match="has no comparison, for the run has no test part"):
            ask()
    with pytest.raises(ResultsError, match="holds no finished run with a test part"):
        untested.pooled()


def test_show_says_so(untested, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["show", str(untested.path)])
    out = capsys.readouterr().out
    assert caught.value.code == 0
    assert "No comparison: the run has no test part." in out
    assert "The whole search:" in out


def test_the_tables_are_the_same_when_they_are_loaded_again(untested):
    again = load_results(untested.path)
    assert not again.unfinished
    assert again.individuals.equals(untested.individuals)


@pytest.mark.parametrize(
    ("name", "value"),
    [("verdict", "f1_macro"), ("primary", "evolved - cnn"), ("equivalence_margin", 0.01)],
)
def test_what_is_said_of_verdicts_is_refused(name, value, tiny, tmp_path):
    settings = tiny(dataset={"test": 0}, evaluation={name: value})
    with pytest.raises(SettingsError, match=f"{name} must not be given without a test part"):
        run(settings, workers=0, results=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("test", [0, 0.4])
def test_folds_decide_on_the_size_of_the_test_part(tiny, test):
    with pytest.raises(
        SettingsError,
        match=rf"dataset.test must not be given with folds, for a test part is one of 3 folds; got {test}",
    ):
        tiny(dataset={"folds": 3, "test": test})
    again = tiny(dataset={"folds": 3})
    assert type(again)(**again.model_dump()) == again


def test_rare_classes_cannot_stay_in_one_part_with_folds(tiny):
    with pytest.raises(SettingsError, match='rare_classes must be "refuse" with folds'):
        tiny(dataset={"folds": 3, "rare_classes": "train"})
