"""SET, RigL and the dense perceptron by preset: one network that is rewired as it learns, and what it is judged by."""

import itertools
import json

import numpy as np
import pytest

from evo import replay
from evo.genome.codec import load_genomes
from experiments import Dataset, Experiment, load_dataset, load_experiment, run
from experiments.settings.experiment import with_values

SPARSE = ["set-digits", "rigl-digits", "set-mnist", "rigl-mnist"]


def shortened(name, **evolution):
    experiment = load_experiment(name)
    settings = experiment.evolution.model_copy(update=evolution)
    return experiment.model_copy(update={"seeds": 1, "evolution": settings})


@pytest.fixture(scope="module", params=["set-digits", "rigl-digits"])
def rewired(request, tmp_path_factory):
    """Return a preset cut short, and its results."""
    experiment = shortened(request.param, generations=4, steps_per_generation=5)
    folder = tmp_path_factory.mktemp("sparse")
    return experiment, run(experiment, workers=0, results=folder, run_name="r", figures=False)


def generations(results):
    folder = results.path / "genomes"
    for k in range(5):
        (genome,) = load_genomes(folder / f"seed-0-generation-{k:04d}.npz").values()
        yield genome


def test_one_network_goes_on_whatever_its_fitness(rewired):
    _, results = rewired
    table = results.individuals.sort_values("individual")
    assert table["generation"].tolist() == [0, 1, 2, 3, 4]
    assert table["survived"].all()
    assert [parents.tolist() for parents in table["parents"]] == [[], [0], [1], [2], [3]]
    assert table["operators"].tolist() == ["", "AAN", "AAN", "AAN", ""]
    assert table["ancestry_steps"].tolist() == [5, 10, 15, 20, 25]


def test_every_layer_keeps_its_edges_and_speaks_to_the_next_alone(rewired):
    experiment, results = rewired
    layers = experiment.founders.layer_sizes(64, 10)
    assert layers == (64, 100, 100, 10)
    layer = np.repeat(np.arange(4), layers)
    for genome in generations(results):
        target = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))
        assert (layer[target] == layer[genome.indices] + 1).all()
        counts = np.bincount(layer[target])
        assert counts[1:].tolist() == [5 * 164, 5 * 200, 5 * 110]


def test_records_in_the_table_rebuild_each_topology_from_the_one_before(rewired):
    _, results = rewired
    for k, (parent, child) in enumerate(itertools.pairwise(generations(results)), start=1):
        rows = results.operations.query("generation == @k").sort_values("position")
        record = [(row["operator"], json.loads(row["parameters"])) for _, row in rows.iterrows()]
        rebuilt = replay(record, parent)
        np.testing.assert_array_equal(rebuilt.indptr, child.indptr)
        np.testing.assert_array_equal(rebuilt.indices, child.indices)
        shared = np.array_equal(parent.indices, child.indices)
        assert shared == (k == 4)  # the last quarter only trains


def test_the_baselines_are_the_same_network_unchanged_and_the_dense_one(rewired):
    _, results = rewired
    arms = results.comparison.set_index("arm")
    assert set(arms.index) == {"evolved", "static", "mlp"}
    assert arms.loc["static", "macs"] == arms.loc["evolved", "macs"] == 5 * 474
    assert arms.loc["mlp", "macs"] == 64 * 100 + 100 * 100 + 100 * 10
    assert set(arms["steps"]) == {25}


def test_the_density_of_a_method_falls_from_the_founders_to_the_final_one(tmp_path):
    experiment = shortened("set-digits", generations=4, steps_per_generation=3)
    policy = {"name": "chtss", "fixed_layers": [-1], "final_density": 0.05}
    falling = Experiment.parse(
        with_values(json.loads(experiment.model_dump_json()), {"policy": policy}), "falling"
    )
    results = run(falling, workers=0, results=tmp_path, figures=False)
    edges = results.individuals.sort_values("generation")["n_active"].tolist()
    first, last = 5 * (164 + 200 + 110), round(0.05 * (64 * 100 + 100 * 100)) + 5 * 110
    assert edges[0] == first
    assert edges == sorted(edges, reverse=True)
    assert edges[1] < first
    assert edges[-2:] == [pytest.approx(last, abs=2)] * 2
    assert (results.individuals["status"] == "ok").all()


@pytest.mark.parametrize("name", SPARSE)
def test_sparse_presets_rewire_one_network_as_published(name):
    experiment = load_experiment(name)
    method, data = name.split("-")
    assert experiment.evolution.population == 1
    assert experiment.evolution.selection.name == "random_search"
    assert experiment.policy.name == method
    assert experiment.policy.rewired_fraction == 0.3
    assert experiment.policy.rewiring_scope == "layer"
    assert experiment.founders.epsilon is not None
    assert experiment.training == load_experiment(f"set-{data}").training


def test_the_presets_on_mnist_share_layers_recipe_and_data():
    dense = load_experiment("mlp-mnist")
    assert (dense.baseline.arms, dense.baseline.hidden) == (("mlp",), (1000, 1000, 1000))
    for name in ("set-mnist", "rigl-mnist"):
        sparse = load_experiment(name)
        assert sparse.founders.layer_sizes(784, 10) == (784, 1000, 1000, 1000, 10)
        assert sparse.training == dense.training
        assert sparse.dataset == dense.dataset
        epochs = sparse.evolution.total_steps * sparse.training.batch_size / 51_000
        assert epochs == pytest.approx(dense.baseline.epochs, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["set-mnist", "rigl-mnist"])
def test_some_steps_on_a_part_of_mnist_are_a_good_beginning(published, tmp_path, name):
    whole = load_dataset("idx", data_dir=published("mnist"))
    test = tuple(part[:1000] for part in whole.test)
    part = Dataset("a-part", whole.inputs[:6000], whole.targets[:6000], whole.classes, test)
    short = shortened(name, generations=4, steps_per_generation=50)
    results = run(short, dataset=part, workers=0, results=tmp_path, figures=False)
    assert results.summary()["test_accuracy"].loc["evolved"] > 0.85
    edges = results.individuals["n_active"]
    assert edges.nunique() == 1
