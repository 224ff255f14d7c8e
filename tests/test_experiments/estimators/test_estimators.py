"""EvolvedClassifier and EvolvedRegressor: a run behind scikit-learn's interface."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evo.errors import EvoMatrixError
from experiments import (
    Dataset,
    EvolvedClassifier,
    EvolvedRegressor,
    Experiment,
    load_network,
    load_results,
    run,
)

TINY = {
    "population": 2,
    "generations": 1,
    "steps_per_generation": 30,
    "founders": {"hidden": 4, "density": 0.5},
    "training": {"learning_rate": 0.05},
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
LABELS = np.where(X[:, 0] > 0, "up", "down")
VALUES = X @ [1.0, -2.0, 0.0]


def classifier(**changes):
    return EvolvedClassifier(**{**TINY, **changes})


def regressor(**changes):
    return EvolvedRegressor(**{**TINY, **changes})


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, LABELS)


# -- the tools of scikit-learn -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_grid_search_over_a_pipeline_chooses_among_its_cells():
    pipeline = make_pipeline(StandardScaler(), classifier())
    grid = {"evolvedclassifier__steps_per_generation": [1, 40]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, LABELS)
    assert search.best_params_ == {"evolvedclassifier__steps_per_generation": 40}
    assert search.best_estimator_[-1].results_.individuals["steps"].max() == 40
    assert search.score(X, LABELS) > 0.9


@pytest.mark.slow
def test_a_cross_validation_and_an_importance_of_features_find_what_is_in_the_data():
    scores = cross_val_score(regressor(), X, VALUES, cv=2, error_score="raise")
    assert scores.shape == (2,)
    assert scores.min() > 0.5
    estimator = regressor().fit(X, VALUES)
    found = permutation_importance(estimator, X, VALUES, n_repeats=2, random_state=0)
    assert_array_equal(found.importances_mean.argsort(), [2, 0, 1])


def test_a_clone_has_the_parameters_and_nothing_learnt(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(X)
    with pytest.raises(NotFittedError):
        copy.score(X, LABELS)


# -- reproducible ------------------------------------------------------------------------------------------------------


def test_the_same_random_state_gives_the_same_bits_and_another_one_does_not(fitted):
    again = classifier().fit(X, LABELS)
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    other = clone(fitted).set_params(random_state=1).fit(X, LABELS)
    assert (other.predict_proba(X) != fitted.predict_proba(X)).any()


@pytest.mark.slow
def test_ray_gives_the_same_bits_as_this_process(fitted):
    parallel = classifier(workers=2).fit(X, LABELS)
    assert_array_equal(parallel.predict_proba(X), fitted.predict_proba(X))


def test_a_fit_is_the_run_with_the_same_settings(fitted, tmp_path):
    evolution = {"population": 2, "generations": 1, "steps_per_generation": 30}
    settings = Experiment(
        seeds=1,
        dataset={"test": 0, "rare_classes": "train"},
        evolution=evolution,
        founders=TINY["founders"],
        training=TINY["training"],
        baseline={"arms": []},
    )
    results = run(
        settings, dataset=Dataset.from_arrays(X, LABELS), workers=0, results=tmp_path, figures=False
    )
    assert_array_equal(results.best().predict_proba(X), fitted.predict_proba(X))
    assert_array_equal(results.best().predict(X), fitted.predict(X))


# -- what is learnt ----------------------------------------------------------------------------------------------------


def test_no_row_is_kept_for_a_test(fitted):
    runs = fitted.results_.runs.iloc[0]
    assert (runs["n_train"], runs["n_validation"], runs["n_test"]) == (51, 9, 0)
    with pytest.raises(EvoMatrixError, match="has no comparison, for the run has no test part"):
        fitted.results_.summary()


def test_the_tables_stay_when_the_temporary_folder_is_gone(fitted):
    assert not fitted.results_.path.exists()
    assert len(fitted.results_.individuals) == 6
    assert len(fitted.results_.predictions) == 0


def test_a_folder_of_results_is_kept_and_its_network_predicts_in_the_unit_of_the_data(tmp_path):
    estimator = regressor(results=tmp_path).fit(X, 1e6 + 1e3 * VALUES)
    kept = load_results(tmp_path)
    assert kept.path.name.startswith("EvolvedRegressor-")
    assert_array_equal(kept.best().predict(X), estimator.predict(X))


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (X[:, 0] > 0, "b"),
        pytest.param(np.where(X[:, 0] > 0, 2.0, 7.0), "f", marks=pytest.mark.slow),
        (np.where(X[:, 0] > 0, 2, -7).tolist(), "i"),
        (pd.Series(LABELS, dtype="category"), "O"),
        pytest.param(LABELS.astype(object), "O", marks=pytest.mark.slow),
    ],
)
def test_labels_keep_their_type_and_scores_are_those_of_scikit_learn(labels, kind):
    estimator = classifier().fit(X, labels)
    assert_array_equal(estimator.classes_, np.unique(np.asarray(labels)))
    predicted = estimator.predict(X)
    assert predicted.dtype.kind == kind
    assert estimator.score(X, labels) == accuracy_score(np.asarray(labels), predicted) > 0.8
    weights = RNG.uniform(size=len(X))
    expected = accuracy_score(np.asarray(labels), predicted, sample_weight=weights)
    assert estimator.score(X, labels, weights) == expected


def test_a_class_with_one_row_is_learnt_from_it():
    labels = LABELS.astype(object)
    labels[5] = "alone"
    estimator = classifier().fit(X, labels)
    assert estimator.classes_.tolist() == ["alone", "down", "up"]
    assert estimator.predict_proba(X).shape == (60, 3)
    assert estimator.results_.runs["n_validation"].iloc[0] == 9


@pytest.mark.slow
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (-3e4, 1e-2), (1e9, 1e3)])
def test_values_are_learnt_in_any_unit(offset, scale):
    values = offset + scale * VALUES
    estimator = regressor().fit(X, values)
    score = estimator.score(X, values)
    assert score == r2_score(values, estimator.predict(X))
    assert score > 0.8
    assert_allclose(
        estimator.predict(X),
        offset + scale * regressor().fit(X, VALUES).predict(X),
        atol=0.01 * scale,
    )


def test_several_values_are_learnt_each_in_its_unit_and_the_network_is_saved_with_them(tmp_path):
    features, values = make_regression(60, 4, n_targets=2, random_state=0)
    values = values * [1.0, 1e4]
    estimator = regressor().fit(features, values)
    assert r2_score(values, estimator.predict(features), multioutput="raw_values").min() > 0.5
    loaded = load_network(estimator.network_.save(tmp_path / "winner"))
    assert_array_equal(loaded.predict(features), estimator.predict(features))
    assert loaded.score(features, values) == estimator.score(features, values)


def test_a_frame_with_gaps_and_categories_is_prepared_as_in_any_run():
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    frame["colour"] = np.array(["red", "blue"])[(X[:, 2] > 0).astype(int)]
    frame.loc[3, "a"] = np.nan
    frame.loc[4, "colour"] = None
    estimator = classifier().fit(frame, LABELS)
    assert estimator.feature_names_in_.tolist() == ["a", "b", "colour"]
    assert estimator.n_features_in_ == 3
    assert estimator.predict(frame.iloc[3:5]).shape == (2,)
    assert_array_equal(
        estimator.network_.predict(frame[["colour", "b", "a"]]), estimator.predict(frame)
    )
    with pytest.raises(ValueError, match="same order"):
        estimator.predict(frame[["colour", "b", "a"]])
    with pytest.raises(ValueError, match="column 'b', data row 2 must have a value"):
        estimator.predict(frame.assign(b=frame["b"].where(frame.index != 1)))
    with pytest.warns(UserWarning, match="categories that the training part did not have"):
        estimator.predict(frame.assign(colour="green"))


def test_images_are_read_as_images():
    images = RNG.uniform(size=(20, 6, 6))
    images[::2, :3] += 2
    founders = {"graph": "maps", "layers": [[6, 2], [1, 4]], "kernel": 3}
    labels = np.arange(20) % 2
    estimator = classifier(founders=founders).fit(images, labels)
    assert estimator.n_features_in_ == estimator.network_.n_features_in_ == 36
    assert estimator.score(images, labels) > 0.9
    assert_array_equal(estimator.predict(images.reshape(20, 36)), estimator.predict(images))


# -- parameters --------------------------------------------------------------------------------------------------------


def test_an_experiment_is_the_base_of_the_parameters():
    base = Experiment(
        name="mine",
        seeds=5,
        evolution={"population": 3, "generations": 1, "steps_per_generation": 5},
        founders={"hidden": 4},
        evaluation={
            "metrics": ["f1_macro"],
            "verdict": "roc_auc",
            "primary": "evolved - cnn",
            "equivalence_margin": 0.01,
        },
    )
    results = (
        classifier(experiment=base, population=None, steps_per_generation=None)
        .fit(X, LABELS)
        .results_
    )
    assert results.runs["experiment"].tolist() == ["mine"]
    assert results.baseline.empty
    assert len(results.individuals) == 9
    assert results.individuals["steps"].max() == 5
    assert results.individuals["validation_f1_macro"].notna().all()


def test_founders_may_be_networks_and_fitness_a_function(fitted):
    def small(network, validation):
        return -network.parameter_count

    estimator = classifier(founders=[fitted.network_], fitness=small, policy="mixed").fit(X, LABELS)
    individuals = estimator.results_.individuals
    assert individuals["founder_source"].unique().tolist() == ["founders[0], Predictor"]
    founders = individuals[individuals["generation"] == 0]
    assert_array_equal(founders["fitness"], -founders["parameters"].astype(float))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"population": 0}, r"EvolvedClassifier: evolution.population must be .*; got 0"),
        ({"founders": {"hiden": 3}}, r"founders.hiden: unknown key \(did you mean 'hidden'\?\)"),
        ({"founders": 3}, "founders must be a dict of settings; got 3"),
        ({"training": [1]}, r"training must be a dict of settings; got \[1\]"),
        ({"policy": "mixd"}, "policy.name must be .*did you mean 'mixed'"),
        ({"fitness": "speed"}, "evolution.fitness must be .*; got 'speed'"),
        ({"fitness": "r2"}, "r2"),
        ({"validation": 1.5}, "dataset.validation must be .*; got 1.5"),
        ({"random_state": -1}, "random_state must be an integer of at least 0; got -1"),
        ({"random_state": None}, "random_state must be an integer of at least 0; got None"),
        ({"random_state": True}, "random_state must be an integer of at least 0; got True"),
        ({"workers": -1}, "workers must be a whole number of at least 0; got -1"),
        ({"experiment": 5}, "experiment must be an Experiment, a preset's name or a path; got 5"),
        ({"experiment": "lenet-mnist"}, "experiment must have evolve = true; got false"),
        ({"experiment": "nothing"}, "unknown preset 'nothing'"),
    ],
)
def test_a_wrong_parameter_is_told_in_one_line_before_any_work(changes, message, tmp_path):
    estimator = classifier(results=tmp_path, **changes)
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        estimator.fit(X, LABELS)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (X, VALUES, "Unknown label type"),
        (X, np.full(60, "same"), "classes must be two or more different labels"),
        (X, LABELS[:-1], r"targets must be one per sample \(60\); got 59"),
        (X, np.where(np.arange(60) == 7, np.nan, 1.0), r"targets\[7\] must be a class label"),
        (np.where(X[4, 1] == X, np.inf, X), LABELS, r"inputs\[4, 1\] must be a finite float32; got inf"),
        ([[1.0], [{}]], ["a", "b"], r"X\[1, 0\]: argument must be a string, a date or a number; got dict"),
        (X, np.arange(60), "must have enough samples for the validation part"),
        ([1.0, 2.0], ["a", "b"], "Reshape your data"),
        (pd.DataFrame(X, columns=["a", "b", "a"]), LABELS, "X: names of columns must differ; got 'a' twice"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_used_is_told_before_any_work(rows, labels, message, tmp_path):
    with pytest.raises((ValueError, TypeError), match=message):
        classifier(results=tmp_path).fit(rows, labels)
    assert not list(tmp_path.iterdir())
