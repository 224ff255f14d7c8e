"""Regression in whole runs: the units of the data decide nothing, and what is reported has these units."""

import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score

from cnn.training.trainer import evaluate
from evo import Genome, Phenotype, Predictor
from evo.errors import SettingsError
from evo.evolution.metrics import truth_and_output
from evo.preparation import Normalization
from experiments import (
    Dataset,
    EvolvedRegressor,
    Experiment,
    continue_run,
    load_experiment,
    run,
)
from experiments.studies.founders import check_founders, founders_of_seed, with_given_founders

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
Y = 2 + X @ [0.5, 0.3, 0.0] + 0.1 * RNG.normal(size=90)
UNITS = {"as they are": (1.0, 0.0), "tiny": (1e-7, 0.0), "large": (8e4, 3e5), "far": (1e-3, 1e6)}
SETTINGS = {
    "name": "values",
    "seeds": 2,
    "dataset": {"normalization": "none"},
    "founders": {"hidden": 6, "density": 1.0},
    "evolution": {"population": 2, "generations": 1, "steps_per_generation": 60},
    "training": {"learning_rate": 0.02},
    "baseline": {"arms": ["mlp", "static"], "hidden": 6},
    "evaluation": {"metrics": ["r2", "rmse", "mae"]},
}


def experiment(**changes):
    return Experiment(**SETTINGS | changes)


@pytest.fixture(scope="module")
def in_units(tmp_path_factory):
    """Return the results of one experiment, with the same values in several units."""
    folder = tmp_path_factory.mktemp("units")
    return {
        name: run(
            experiment(),
            dataset=Dataset.from_arrays(X, scale * Y + offset),
            workers=0,
            results=folder,
            run_name=name,
            figures=False,
        )
        for name, (scale, offset) in UNITS.items()
    }


# -- units -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_units_of_the_values_change_no_score_and_no_verdict(in_units):
    first = in_units["as they are"]
    assert first.comparison["test_r2"].min() > 0.5
    for results in in_units.values():
        for column in ("test_r2", "test_loss", "validation_loss"):
            np.testing.assert_allclose(
                results.comparison[column], first.comparison[column], rtol=1e-3, err_msg=column
            )
        assert [one.rpartition("(")[0] for one in map(str, results.verdicts())] == [
            one.rpartition("(")[0] for one in map(str, first.verdicts())
        ]


@pytest.mark.parametrize("name", UNITS)
def test_metrics_and_predictions_have_the_units_of_the_data(in_units, name):
    scale, offset = UNITS[name]
    results, values = in_units[name], scale * Y + offset
    for row in results.comparison.itertuples():
        of_arm = results.predictions.query("arm == @row.arm and seed == @row.seed")
        np.testing.assert_array_equal(of_arm["truth"], values[of_arm["row"]])
        assert row.test_mae == mean_absolute_error(of_arm["truth"], of_arm["prediction"])
        assert row.test_r2 == r2_score(of_arm["truth"], of_arm["prediction"])
        assert 0 < row.test_rmse < 0.5 * scale
        network = results.network(row.arm, row.seed)
        np.testing.assert_array_equal(network.predict(X[of_arm["row"]]), of_arm["prediction"])


def test_several_values_are_learnt_each_in_its_units_and_keep_their_names(tmp_path):
    table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(
        price=3e5 + 8e4 * Y, conc=1e-7 * X[:, 0]
    )
    dataset = Dataset.from_frame(table, ["price", "conc"])
    results = run(experiment(seeds=1), dataset=dataset, workers=0, results=tmp_path)
    predictions = results.predictions
    assert [name for name in predictions if "_" in name] == [
        "truth_price",
        "truth_conc",
        "prediction_price",
        "prediction_conc",
    ]
    for arm, part in predictions.groupby("arm"):
        for name in ("price", "conc"):
            truth, prediction = part[f"truth_{name}"], part[f"prediction_{name}"]
            np.testing.assert_array_equal(truth, table[name].iloc[part["row"]])
            assert r2_score(truth, prediction) > 0.3, (arm, name)
    assert results.best().output_names == ("price", "conc")
    assert results.network("mlp").output_names == ("price", "conc")


def test_a_fitness_has_the_values_in_their_units_beside_the_scaled_ones(tmp_path):
    def own(network, validation, evaluation):
        predicted = validation.in_units(evaluation.output)
        assert np.abs(validation.targets.mean()) < 1
        return -mean_absolute_error(validation.truth, predicted)

    dataset = Dataset.from_arrays(X, 8e4 * Y)
    results = run(
        experiment(seeds=1),
        dataset=dataset,
        fitness=own,
        workers=0,
        results=tmp_path,
        figures=False,
    )
    individuals = results.individuals
    assert (individuals["status"] == "ok").all()
    assert (individuals["fitness"] == -individuals["validation_mae"]).all()


def test_without_scaling_networks_learn_the_values_as_they_are(tmp_path):
    unscaled = experiment(seeds=1, dataset={"normalization": "none", "target_scaling": "none"})
    dataset = Dataset.from_arrays(X, Y)
    results = run(unscaled, dataset=dataset, workers=0, results=tmp_path, figures=False)
    row = results.comparison.set_index("arm").loc["mlp"]
    assert row["test_loss"] == pytest.approx(row["test_rmse"] ** 2 / 2, rel=1e-5)
    assert (
        results.network("mlp").score(*unscaled.dataset.split(dataset, 0).raw("test"))
        == row["test_r2"]
    )


def test_a_continued_run_keeps_the_scaling_and_scores_as_its_tables_say(in_units, tmp_path):
    older, dataset = in_units["tiny"], Dataset.from_arrays(X, 1e-7 * Y)
    newer = continue_run(
        older.path,
        generations="+1",
        seed=1,
        dataset=dataset,
        workers=0,
        results=tmp_path,
        figures=False,
    )
    for arm in ("evolved", "mlp"):
        before, after = older.network(arm, 1), newer.network(arm, 1)
        np.testing.assert_array_equal(after.targets.offset, before.targets.offset)
        np.testing.assert_array_equal(after.targets.scale, before.targets.scale)
        test = experiment().dataset.split(dataset, 1).raw("test")
        assert after.score(*test) == newer.comparison.set_index("arm").loc[arm, "test_r2"]


def test_settings_of_a_run_that_did_not_scale_its_targets_say_so(tmp_path):
    written = json.loads(experiment().model_dump_json())
    assert written["dataset"].pop("target_scaling") == "standard"
    (tmp_path / "config.json").write_text(json.dumps(written))
    assert load_experiment(tmp_path / "config.json").dataset.target_scaling == "none"


def test_the_scaling_of_a_regressor_is_that_of_its_training_part():
    estimator = EvolvedRegressor(population=2, generations=1, steps_per_generation=20)
    estimator.fit(X, 8e4 * Y)
    dataset = Dataset.from_arrays(X, 8e4 * Y)
    split = Experiment(dataset={"test": 0.0}).dataset.split(dataset, 0)
    scaling = estimator.network_.targets
    np.testing.assert_array_equal(scaling.offset, split.target_scaling.offset)
    np.testing.assert_array_equal(scaling.scale, split.target_scaling.scale)
    assert scaling.offset != (8e4 * Y).mean()


# -- founders ----------------------------------------------------------------------------------------------------------


def founders_for(given, seed, values=Y, **changes):
    """Return the split of a run and the founders with which it begins."""
    asked = with_given_founders(experiment(**{"founders": {}} | changes), given)
    split = asked.dataset.split(Dataset.from_arrays(X, values), seed)
    return split, founders_of_seed(asked, split, check_founders(asked, split, given), seed)


@pytest.mark.parametrize("arm", ["evolved", "mlp"])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", UNITS)
def test_a_trained_founder_begins_as_good_as_it_was(in_units, arm, seed, name):
    network = in_units[name].network(arm, 0)
    scale, offset = UNITS[name]
    split, genomes = founders_for([network], seed, scale * Y + offset)
    for genome in genomes:
        found = Phenotype(genome, "squared_error")
        truth, output = truth_and_output(split.validation, evaluate(found, split.validation))
        rows, _ = split.raw("validation")
        predicted = network.predict(rows)
        np.testing.assert_allclose(output[:, 0], predicted, atol=1e-5 * scale)
        assert r2_score(truth, output) == pytest.approx(r2_score(truth, predicted), abs=1e-4)
    if arm == "evolved":
        assert genomes[0].equals(network.genome) == (seed == 0)


def test_a_network_without_a_scaling_gives_values_in_units(in_units):
    genome = in_units["as they are"].best(0).genome
    split, (founder, _) = founders_for([Predictor(genome, loss="squared_error")], 0)
    output = Phenotype(founder, "squared_error").output(X.astype(np.float32))
    expected = Phenotype(genome, "squared_error").output(X.astype(np.float32))
    np.testing.assert_allclose(split.target_scaling.restore(output), expected, atol=1e-5)


def test_genomes_and_drawn_weights_are_taken_as_they_are(in_units):
    genome = in_units["large"].best(0).genome
    _, (founder, _) = founders_for([genome], 0)
    assert founder.equals(genome)
    layers = in_units["large"].network("mlp", 0)
    settings = {"graph": "given", "weights": "random"}
    drawn = [founders_for([one], 1, founders=settings)[1] for one in (layers, layers.network)]
    assert [one.fingerprint() for one in drawn[0]] == [one.fingerprint() for one in drawn[1]]


def test_outputs_of_a_graph_predict_the_values_after_which_they_are_named():
    graph = nx.DiGraph([("a", "price"), ("b", "conc"), ("c", "conc")])
    table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(conc=1e-7 * Y, price=8e4 * Y)
    dataset = Dataset.from_frame(table, ["conc", "price"])
    asked = with_given_founders(experiment(founders={}), [graph])
    split = asked.dataset.split(dataset, 0)
    (genome,) = check_founders(asked, split, [graph]).genomes
    outputs = Phenotype(genome, "squared_error").output(np.eye(3, dtype=np.float32))
    np.testing.assert_array_equal(outputs, [[0, 1], [1, 0], [1, 0]])


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"activation": "tanh"}, "outputs must have the activation identity to take up another scaling; got tanh"),
        ({"out_edge": True}, "outputs must have no out-edges to take up another scaling; got 1"),
    ],
)  # fmt: skip
def test_a_scaling_that_weights_cannot_take_up_is_refused(change, rule):
    matrix = np.zeros((5, 5))
    matrix[:3, 3], matrix[3, 4] = [0.5, 0.7, 1.0], 0.5
    matrix[4, 3] = 0.6 if change.get("out_edge") else 0
    genome = Genome.from_matrix(
        matrix,
        n_inputs=3,
        n_outputs=1,
        output_activation=change.get("activation", "identity"),
        ticks=2,
    )
    scaling = Normalization("standard", np.array([1.0]), np.array([0.1]))
    founder = Predictor(genome, loss="squared_error", targets=scaling)
    with pytest.raises(SettingsError) as caught:
        founders_for([founder], 0)
    assert str(caught.value) == f"founders[0], Predictor: {rule}"
    same = experiment().dataset.split(Dataset.from_arrays(X, Y), 0).target_scaling
    _, (kept, _) = founders_for([Predictor(genome, loss="squared_error", targets=same)], 0)
    assert kept.equals(genome)
