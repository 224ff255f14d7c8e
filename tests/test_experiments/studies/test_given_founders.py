"""Founders that a user gives: every kind begins a run and keeps its weights, or is refused before any work."""

import json
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cnn import mlp, save_model, small_cnn
from evo import (
    BaselinePredictor,
    Genome,
    Phenotype,
    Predictor,
    from_cnn,
    from_networkx,
    load_genomes,
    save_graph,
    to_cnn,
    to_networkx,
)
from evo.errors import EvoMatrixError, SettingsError
from evo.storage.tables import TIMING_COLUMNS
from experiments import Dataset, Experiment, load_dataset, run
from experiments.studies.founders import (
    check_founders,
    founders_of_seed,
    layers_of_founders,
    with_given_founders,
)
from experiments.studies.study import parse_study, run_study

XOR = load_dataset("xor", n_samples=200)
XOR_SPLIT = XOR.split(seed=0)
DIGITS = load_dataset("digits")


def seeded():
    return np.random.default_rng(0)


def experiment(founders=None, population=3, **changes):
    return Experiment(
        name="given",
        seeds=1,
        dataset={"name": "xor", "options": {"n_samples": 200}},
        founders=founders or {},
        evolution={"population": population, "generations": 2, "steps_per_generation": 10},
        baseline={"arms": ["static"]},
        **changes,
    )


def at_the_door(founders, dataset=XOR, settings=None, **changes):
    """Return what a run makes of given founders before any work."""
    asked = with_given_founders(experiment(settings, **changes), founders)
    return check_founders(asked, asked.dataset.split(dataset, seed=0), founders)


def matrix(n=8, density=0.5):
    rng = seeded()
    return np.triu(rng.normal(size=(n, n)) * (rng.random((n, n)) < density), 1)


def winner(path):
    genome = Genome.from_matrix(matrix(), n_inputs=2, n_outputs=2)
    Predictor(genome, loss="cross_entropy", classes=XOR.classes).save(path / "winner.npz")
    return path / "winner.npz"


def graph():
    found = nx.DiGraph([("left", "a"), ("right", "a"), ("a", "b"), ("b", "a")])
    found.add_edges_from([("b", "no"), ("a", "yes")], weight=-0.5)
    return found


def saved_graph(path):
    save_graph(from_networkx(graph()), path / "graph.graphml")
    return path / "graph.graphml"


def saved_baseline(path):
    network = mlp(2, (3,), 2, rng=seeded())
    BaselinePredictor(network, classes=XOR.classes).save(path / "baseline.npz")
    return path / "baseline.npz"


def saved_model(path):
    save_model(mlp(2, (3,), 2, rng=seeded()), path / "model.npz")
    return str(path / "model.npz")


def saved_matrix(path):
    np.save(path / "matrix.npy", matrix())
    return path / "matrix.npy"


KINDS = {
    "genome": lambda _: Genome.from_matrix(matrix(), n_inputs=2, n_outputs=2, ticks=2),
    "network": lambda _: mlp(2, (4, 3), 2, rng=seeded()),
    "networkx graph": lambda _: graph(),
    "ndarray": lambda _: matrix(),
    "matrix of 0 and 1": lambda _: matrix() != 0,
    "sparse matrix": lambda _: sparse.csr_matrix(matrix()),
    "sparse array in COO form": lambda _: sparse.coo_array(matrix()),
    "lists": lambda _: matrix().tolist(),
    "data frame of a matrix": lambda _: pd.DataFrame(matrix()),
    "saved winner": winner,
    "saved baseline": saved_baseline,
    "saved model": saved_model,
    "saved matrix": saved_matrix,
    "GraphML": saved_graph,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_founder_is_taken_with_its_weights(kind, tmp_path):
    (genome,) = at_the_door([KINDS[kind](tmp_path)]).genomes
    assert (len(genome.inputs), len(genome.outputs)) == (2, 2)
    if "matri" in kind or kind in {"ndarray", "sparse array in COO form", "lists"}:
        expected = matrix() != 0 if "0 and 1" in kind else matrix()
        np.testing.assert_allclose(genome.to_dense(), expected, rtol=1e-6)
        assert genome.inputs.tolist() == [0, 1]
        assert genome.outputs.tolist() == [6, 7]
    if "graph" in kind or kind == "GraphML":
        assert sorted(genome.values.tolist()) == [-0.5, -0.5, 1, 1, 1, 1]
    assert np.isfinite(Phenotype(genome).output(XOR.inputs[:5])).all()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Return a run whose founders are of all kinds, and these founders."""
    folder = tmp_path_factory.mktemp("mixed")
    founders = [make(folder) for make in KINDS.values()]
    settings = {"graph": "given", "ticks": 2}
    asked = experiment(settings, population=len(founders) + 2)
    done = run(asked, founders=founders, workers=0, results=folder, run_name="one", figures=False)
    return done, founders, folder, asked


def test_a_run_begins_with_them_and_says_where_each_comes_from(mixed):
    done, founders, folder, _ = mixed
    first = done.individuals.query("generation == 0")
    assert (first["status"] == "ok").all()
    names = first["founder_source"].tolist()
    assert names[:2] == ["founders[0], Genome", "founders[1], Network"]
    assert names[3] == "founders[3], ndarray of shape (8, 8)"
    assert names[9] == f"founders[9], {folder / 'winner.npz'}"
    assert names[-2:] == names[:2], "the first founders take another turn"
    by_founder = dict(zip(first["founder"], names, strict=True))
    assert (done.individuals["founder_source"] == done.individuals["founder"].map(by_founder)).all()
    genomes = load_genomes(done.path / "genomes" / "seed-0-founders.npz")
    assert genomes[0].equals(founders[0])
    assert genomes[len(founders)].equals(founders[0])
    assert genomes[1].equals(from_cnn(founders[1]))
    assert genomes[2].ticks == genomes[3].ticks == 2, "from the settings"


@pytest.mark.slow
def test_the_same_founders_give_the_same_tables(mixed):
    done, founders, folder, asked = mixed
    again = run(asked, founders=founders, workers=0, results=folder, run_name="two", figures=False)
    for table in ("individuals", "operations", "comparison", "baseline"):
        one, two = (
            getattr(results, table).drop(columns=["run", *TIMING_COLUMNS], errors="ignore")
            for results in (done, again)
        )
        pd.testing.assert_frame_equal(one, two)


def test_the_stored_settings_say_that_founders_were_given_and_do_not_run_without_them(mixed):
    stored = json.loads((mixed[0].path / "config.json").read_text("utf-8"))
    assert stored["founders"]["graph"] == "given"
    with pytest.raises(SettingsError, match=r"^founders\.files must name a file or more if "):
        run(Experiment(**stored), workers=0, results=mixed[2])


def test_the_static_arm_is_the_given_founder_of_the_winner(mixed):
    done, _, _, _ = mixed
    founder = int(done.winner()["founder"])
    genome = load_genomes(done.path / "genomes" / "seed-0-founders.npz")[founder]
    static = done.network("static").genome
    assert np.array_equal(static.indices, genome.indices)
    assert np.array_equal(static.roles, genome.roles)


def test_a_warm_start_begins_where_the_winner_ended(mixed, tmp_path):
    done = mixed[0]
    path = done.path / "networks" / "seed-0.npz"
    settings = {"graph": "given", "files": [str(path)]}
    warm = run(experiment(settings, population=1), workers=0, results=tmp_path, figures=False)
    before = done.individuals.query("generation == 2")["validation_loss"].min()
    first = load_genomes(warm.path / "genomes" / "seed-0-founders.npz")[0]
    assert first.equals(done.best().genome)
    assert warm.individuals["validation_loss"].min() < before + 0.05
    assert set(warm.individuals["founder_source"]) == {str(path)}
    several = {"graph": "given", "files": [str(done.path / "genomes" / "seed-0-founders.npz")]}
    n_founders = len(KINDS) + 2
    whole = check_founders(experiment(several, n_founders), XOR_SPLIT)
    assert len(whole.genomes) == len(whole.sources) == n_founders
    assert whole.sources[3].endswith("seed-0-founders.npz, individual 3")


def test_drawn_weights_replace_those_given_and_differ_from_slot_to_slot():
    founders, settings = [matrix() != 0], {"graph": "given", "weights": "random"}
    asked = experiment(settings)
    given = check_founders(asked, XOR_SPLIT, founders)
    drawn, again = (founders_of_seed(asked, XOR_SPLIT, given, seed=5) for _ in range(2))
    other = founders_of_seed(asked, XOR_SPLIT, given, seed=6)
    assert [genome.equals(twin) for genome, twin in zip(drawn, again, strict=True)] == [True] * 3
    assert len({genome.fingerprint() for genome in [*drawn, *other]}) == 6
    for genome in drawn:
        assert np.array_equal(genome.to_dense() != 0, matrix() != 0)


def test_a_cnn_begins_with_its_feature_maps_and_its_layers_are_known_to_policies():
    asked = Experiment(
        founders={"graph": "given"}, policy={"name": "layerwise"}, evolution={"population": 2}
    )
    network = small_cnn((8, 8), 10, rng=seeded())
    given = check_founders(asked, DIGITS.split(seed=0), [network])
    assert layers_of_founders(asked, DIGITS, (8, 8), given) == (1, 8, 32, 10)
    other = small_cnn((8, 8), 10, rng=seeded(), hidden=16)
    with pytest.raises(SettingsError, match=r"^founders must have the same layers where "):
        check_founders(asked, DIGITS.split(seed=0), [network, other])


SIGNED = {"threshold": 0.0, "threshold_mode": "signed"}
LAYERS = np.kron(np.diag([1.0, 1.0], 1), np.ones((2, 2)))
"""Two inputs, two hidden nodes and two outputs, each layer dense."""


@pytest.mark.parametrize(
    ("policy", "founder", "settings", "message"),
    [
        ({"name": "cht"}, matrix(), {}, "founders must have the same layers where policy.name"),
        ({"fixed_layers": [1]}, matrix(), {}, "founders must have the same layers where"),
        ({"fixed_layers": [3]}, LAYERS, {}, "policy.fixed_layers must be from 1 to 2 .*; got 3"),
        ({"removal": "soft_magnitude"}, LAYERS, SIGNED, "threshold_mode of founders must be "),
    ],
)
def test_founders_that_a_method_cannot_rewire_are_refused(policy, founder, settings, message):
    asked = experiment({"graph": "given", **settings}, policy={"name": "set"} | policy)
    with pytest.raises(SettingsError, match="^" + message):
        check_founders(asked, XOR_SPLIT, [founder])
    check_founders(experiment({"graph": "given"}, policy={"name": "cht"}), XOR_SPLIT, [LAYERS])


def test_edges_between_feature_maps_are_not_predicted():
    asked = Experiment(founders={"graph": "given"}, policy={"name": "chts"})
    network = small_cnn((8, 8), 10, rng=seeded())
    with pytest.raises(SettingsError, match=r"founders must have no feature maps where"):
        check_founders(asked, DIGITS.split(seed=0), [network])


OTHER_CLASSES = Dataset.from_arrays(XOR.inputs, np.array(["no", "yes"])[XOR.targets], name="words")
REFUSED = {
    "none": ([], r"^founders must be from 1 to 3, the population; got 0$"),
    "too many": ([matrix()] * 4, r"^founders must be from 1 to 3, the population; got 4$"),
    "too few nodes": (
        [matrix(), matrix(3)],
        r"^founders\[1\], ndarray of shape \(3, 3\): must have at least 4 nodes, 2 inputs first and 2 outputs last; "
        r"got 3$",
    ),
    "not square": (
        [np.ones((5, 6))],
        r"^founders\[0\], ndarray of shape \(5, 6\): matrix must be square; got shape \(5, 6\)$",
    ),
    "not finite": (
        [np.where(np.eye(8) == 1, np.nan, matrix())],
        r"^founders\[0\], .*: matrix must be finite in float32; got another number at \(0, 0\)$",
    ),
    "not finite, sparse": (
        [sparse.csc_array(np.where(np.eye(8, k=2) == 1, np.inf, matrix()))],
        r"^founders\[0\], csc_array: matrix must be finite in float32; got another number at \(0, 2\)$",
    ),
    "beyond float32": (
        [matrix() + 1e39 * np.eye(8, k=1)],
        r"^founders\[0\], .*: matrix must be finite in float32; got another number at \(0, 1\)$",
    ),
    "masked": (
        [np.ma.masked_equal(np.eye(8), 0)],
        r"^founders\[0\], .*: matrix must have a number at every place; got a masked array$",
    ),
    "words": (
        [np.full((8, 8), "w")],
        r"^founders\[0\], .*: matrix must hold real numbers; got <U1$",
    ),
    "complex": (
        [matrix() * 1j],
        r"^founders\[0\], .*: matrix must hold real numbers; got complex128$",
    ),
    "features": (
        [mlp(5, (3,), 2, rng=seeded())],
        r"^founders\[0\], Network: must read 2 features, as samples of shape \(2,\) have; got 5$",
    ),
    "outputs": (
        [mlp(2, (3,), 3, rng=seeded())],
        r"^founders\[0\], Network: must have 2 outputs; got 3$",
    ),
    "a layer that is no part of a genome": (
        [small_cnn((8, 8), 2, rng=seeded(), pooling="gaussian")],
        r"^founders\[0\], Network: layer 2 \(PoolingLayer\) must ",
    ),
    "another object": ([7], r"^founders\[0\], int: must be a genome, cnn\.Network, .*; got 7$"),
    "a file of another kind": (
        ["x.txt"],
        r"^x\.txt: the suffix of a founder's file must be one of ",
    ),
    "no file": (["x.npz"], r"^x\.npz: no such file$"),
    "no array": (["x.npy"], r"^x\.npy: must be a file of one array \(No such file or directory\)$"),
    "a graph without outputs": (
        [nx.DiGraph([(0, 1), (1, 0)])],
        r"^founders\[0\], DiGraph: outputs must be given if no node has in-edges only; got none$",
    ),
    "an undirected graph": ([nx.path_graph(4)], r"^founders\[0\], Graph: "),
}


@pytest.mark.parametrize(("founders", "message"), REFUSED.values(), ids=REFUSED)
def test_a_founder_that_does_not_fit_is_named_before_any_work(founders, message, tmp_path):
    with pytest.raises(EvoMatrixError, match=message) as caught:
        run(experiment(), founders=founders, workers=0, results=tmp_path / "results")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "results").exists()


def test_an_array_file_with_other_contents_is_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "objects.npy").read_bytes()[:40])
    for name in ("objects", "cut"):
        with pytest.raises(EvoMatrixError, match=rf"{name}\.npy: must be a file of one array \("):
            at_the_door([tmp_path / f"{name}.npy"])


def test_a_winner_of_other_classes_or_of_another_order_is_refused(tmp_path):
    with pytest.raises(
        SettingsError, match=r"must have the classes of the data, \('no', 'yes'\); got \(0, 1\)$"
    ):
        at_the_door([winner(tmp_path)], OTHER_CLASSES)
    genome = Genome.from_matrix(matrix(), n_inputs=2, n_outputs=2)
    turned = Predictor(genome, loss="cross_entropy", classes=XOR.classes[::-1])
    with pytest.raises(SettingsError, match=r"^founders\[0\], Predictor: must have the classes "):
        at_the_door([turned])


def test_images_must_have_the_layout_of_the_founders_maps():
    genome = from_cnn(small_cnn((4, 4), 10, rng=seeded(), kernel=3))
    images = Dataset.from_arrays(
        seeded().normal(size=(40, 4, 2, 2)), np.arange(40) % 10, name="four maps", channels="first"
    )
    with pytest.raises(
        SettingsError, match=r"must read images of shape \(4, 2, 2\); got input maps "
    ):
        at_the_door([genome], images)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 3}, r'^founders.hidden must not be given if graph = "given"; got 3$'),
        (
            {"graph": "layered"},
            r"^founders\.graph must be \"given\", or left out, if .*; got 'layered'$",
        ),
        (
            {"graph": "given", "files": ["a.npz"]},
            r"^founders\.files must not be given together with the argument founders; got \['a\.npz'\]$",
        ),
        (
            {"ticks": 3},
            r"^founders\.ticks must not be given, because all given founders have their own; got 3$",
        ),
    ],
)
def test_settings_that_given_founders_do_not_take_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        at_the_door([mlp(2, (3,), 2, rng=seeded())], settings=settings)


def test_weights_of_a_network_with_a_threshold_are_not_drawn_for_its_edges_would_change():
    genome = replace(Genome.from_matrix(matrix(), n_inputs=2, n_outputs=2), threshold=0.1)
    with pytest.raises(
        SettingsError, match=r"must have no threshold if founders\.weights are drawn"
    ):
        at_the_door([genome], settings={"weights": "growth"})


def test_one_founder_must_be_in_a_list():
    with pytest.raises(TypeError, match=r"^founders must be a list, also .*; got ndarray$"):
        run(experiment(), founders=matrix(), workers=0)


def test_without_evolution_there_are_no_founders():
    alone = Experiment(evolve=False, baseline={"epochs": 1})
    with pytest.raises(SettingsError, match=r"^founders must not be given where evolve = false"):
        run(alone, founders=[matrix()])


def test_a_sequence_is_read_by_a_matrix_with_one_step_of_inputs():
    parity = load_dataset("parity", n_samples=100, bits=4)
    settings = {"graph": "given", "ticks": 4, "sequence": True}
    (genome,) = at_the_door([matrix(5)], parity, settings).genomes
    assert (len(genome.inputs), genome.ticks) == (1, 4)


def test_cnns_evolve_from_their_own_weights(tmp_path):
    network = small_cnn((8, 8), 10, rng=seeded(), maps=3, hidden=6, pooling="trainable")
    asked = Experiment(
        name="cnn",
        seeds=1,
        evolution={"population": 2, "generations": 3, "steps_per_generation": 5},
        policy={"name": "mixed", "max_operations": 2},
        baseline={"arms": ["cnn", "static"]},
    )
    done = run(asked, founders=[network], workers=0, results=tmp_path, figures=False)
    assert (done.individuals["status"] == "ok").all()
    assert set(done.individuals["founder_source"]) == {"founders[0], Network"}
    first = load_genomes(done.path / "genomes" / "seed-0-founders.npz")[1]
    assert np.array_equal(to_cnn(first).parameters, network.parameters)


def test_signed_thresholds_live_through_a_run_with_straight_through_training(tmp_path):
    asked = Experiment(
        name="signed",
        seeds=1,
        dataset={"name": "xor", "options": {"n_samples": 200}},
        founders={"threshold": 0.0, "threshold_mode": "signed", "hidden": 6, "density": 0.5},
        evolution={
            "population": 3,
            "generations": 4,
            "steps_per_generation": 20,
            "dormant": "straight_through",
        },
        baseline={"arms": ["static"]},
    )
    done = run(asked, workers=0, results=tmp_path, figures=False)
    assert (done.individuals["status"] == "ok").all()
    for path in (done.path / "genomes").glob("*.npz"):
        for genome in load_genomes(path).values():
            assert genome.threshold_mode == "signed"
            if genome.threshold is not None:
                assert (genome.values[genome.active_mask()] > genome.threshold).all()
    assert (done.individuals["n_active"] < done.individuals["n_stored"]).any()


@pytest.mark.slow
def test_an_arm_of_a_study_begins_with_files(tmp_path):
    values = experiment().model_dump(exclude_unset=True, exclude={"founders", "baseline"})
    study = parse_study(
        values
        | {
            "arms": {
                "warm": {"founders": {"graph": "given", "files": [str(winner(tmp_path))]}},
                "drawn": {"founders": {"hidden": 4}},
            }
        },
        "study",
    )
    done = run_study(study, folder=tmp_path / "study", workers=0, figures=False)
    sources = done.individuals.groupby("run")["founder_source"].unique().map(list).to_dict()
    assert sources == {"drawn-seed-0": [""], "warm-seed-0": [str(tmp_path / "winner.npz")]}
    broken = parse_study(
        values | {"arms": {"warm": {"founders": {"graph": "given", "files": ["none.npz"]}}}},
        "study",
    )
    with pytest.raises(EvoMatrixError, match=r"^none\.npz: no such file$"):
        run_study(broken, folder=tmp_path / "other", workers=0)
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_given_founders_give_the_same_tables_on_ray(mixed):
    done, founders, folder, asked = mixed
    parallel = run(
        asked, founders=founders, workers=2, results=folder, run_name="ray", figures=False
    )
    for table in ("individuals", "operations", "comparison", "baseline"):
        one, two = (
            getattr(results, table).drop(columns=["run", *TIMING_COLUMNS], errors="ignore")
            for results in (done, parallel)
        )
        pd.testing.assert_frame_equal(one, two)


# -- names of nodes ----------------------------------------------------------------------------------------------------

NAMED = Dataset.from_frame(
    pd.DataFrame(XOR.inputs, columns=["width", "depth"]).assign(
        kind=np.array(["yes", "no"])[XOR.targets]
    ),
    "kind",
)
NAMES = {"inputs": ["width", "depth"], "outputs": ["no", "yes"]}


def weighted(inputs, outputs):
    """Return a graph in which each edge has its own weight, and a sum of the inputs in each output."""
    found = nx.DiGraph(ticks=1)
    found.add_nodes_from([*outputs, *inputs])
    for k, source in enumerate(inputs):
        for j, target in enumerate(outputs):
            found.add_edge(source, target, weight=1.0 + 2 * k + 5 * j)
    return found


def as_object(graph, _):
    return graph


def as_graphml(graph, folder):
    nx.write_graphml(graph, folder / "drawn.graphml")
    return folder / "drawn.graphml"


def as_json(graph, folder):
    text = json.dumps(nx.node_link_data(graph, edges="edges"))
    (folder / "drawn.json").write_text(text, "utf-8")
    return folder / "drawn.json"


def with_labels(graph, folder):
    numbered = nx.convert_node_labels_to_integers(graph, label_attribute="label")
    return as_graphml(numbered, folder)


@pytest.mark.parametrize("form", [as_object, as_graphml, as_json, with_labels])
@pytest.mark.parametrize("inputs", [("width", "depth"), ("depth", "width")])
@pytest.mark.parametrize("outputs", [("no", "yes"), ("yes", "no")])
def test_nodes_that_are_named_after_features_and_classes_belong_to_these(
    inputs, outputs, form, tmp_path
):
    drawn = weighted(inputs, outputs)
    (genome,) = at_the_door([form(drawn, tmp_path)], NAMED).genomes
    expected = nx.to_numpy_array(drawn, nodelist=[*NAMES["inputs"], *NAMES["outputs"]])[:2, 2:]
    rows = np.array([[1.0, 10.0], [0.5, -3.0]], np.float32)
    scores = Phenotype(genome, "squared_error").output(rows)
    np.testing.assert_allclose(scores, rows @ expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (
            ("width", "height"),
            ("no", "yes"),
            r"^founders\[0\], DiGraph: names of inputs must all be those of the features, \('width', 'depth'\), or "
            r"none of them; got 'height'$",
        ),
        (("a", "b"), ("yes", "maybe"), r"those of the classes or values, .*; got 'maybe'$"),
        (("a", "b"), ("Yes", "No"), r"those of the classes or values, .*; got 'Yes'$"),
        (("a", "b"), ("yes ", "no"), r"those of the classes or values, .*; got 'yes '$"),
    ],
)
def test_names_that_fit_in_part_are_refused(inputs, outputs, message):
    with pytest.raises(SettingsError, match=message):
        at_the_door([weighted(inputs, outputs)], NAMED)


def test_two_outputs_of_one_name_are_refused():
    drawn = weighted(("a", "b"), ("x", "y"))
    nx.set_node_attributes(drawn, {"x": "yes", "y": "yes"}, "label")
    with pytest.raises(SettingsError, match=r"names of outputs must differ; got 'yes' twice$"):
        at_the_door([drawn], NAMED)


def test_without_such_names_and_for_the_ids_of_a_genome_the_order_of_the_graph_counts():
    rows = np.array([[1.0, 10.0], [0.5, -3.0]], np.float32)
    drawn = weighted(("b", "a"), ("z", "y"))
    (genome,) = at_the_door([drawn], NAMED).genomes
    expected = nx.to_numpy_array(drawn, nodelist=["b", "a", "z", "y"])[:2, 2:]
    scores = Phenotype(genome, "squared_error").output(rows)
    np.testing.assert_allclose(scores, rows @ expected, rtol=1e-6)
    counted = Genome.from_matrix(np.triu(np.ones((5, 5)), 1), n_inputs=2, n_outputs=3)
    of_ids = Dataset.from_arrays(XOR.inputs, np.arange(200) % 3 + 2, name="ids")  # ids 2, 3, 4
    assert at_the_door([to_networkx(counted)], of_ids).genomes[0].equals(counted)
    shifted = Dataset.from_arrays(XOR.inputs, np.arange(200) % 3 + 1, name="ids")
    assert at_the_door([to_networkx(counted)], shifted).genomes[0].equals(counted)


def test_a_run_scores_a_founder_by_its_names(tmp_path):
    """After one step of training both orders of the nodes have the same accuracy, which is not that of chance."""
    X = seeded().normal(size=(120, 2))
    table = pd.DataFrame(X, columns=["width", "depth"]).assign(
        kind=np.where(X[:, 0] > X[:, 1], "wide", "deep")
    )
    dataset = Dataset.from_frame(table, "kind")
    asked = Experiment(
        name="named",
        seeds=1,
        evolution={"population": 2, "generations": 0, "steps_per_generation": 1},
        baseline={"arms": []},
    )
    founders = []
    for inputs, outputs in (
        (("width", "depth"), ("wide", "deep")),
        (("depth", "width"), ("deep", "wide")),
    ):
        drawn = nx.DiGraph()
        drawn.add_nodes_from([*inputs, *outputs])
        drawn.add_edges_from([("width", "wide"), ("depth", "deep")], weight=1.0)
        founders.append(drawn)
    done = run(
        asked, dataset=dataset, founders=founders, workers=0, results=tmp_path, figures=False
    )
    assert (done.individuals["validation_accuracy"] > 0.9).all()


@pytest.mark.parametrize("name", ["wieght", "label"])
def test_an_edge_with_attributes_but_no_weight_is_refused(name):
    drawn = weighted(("a", "b"), ("no", "yes"))
    drawn.edges["a", "no"].clear()
    drawn.edges["a", "no"][name] = 0.5
    with pytest.raises(
        SettingsError,
        match=rf"^founders\[0\], DiGraph: edge \('a', 'no'\) must have the attribute weight if it has others; "
        rf"got \['{name}'\]$",
    ):
        at_the_door([drawn])


def test_an_edge_without_attributes_has_weight_1_and_an_id_is_none(tmp_path):
    text = nx.generate_graphml(nx.DiGraph([("a", "no"), ("b", "yes")]))
    drawn = "\n".join(text).replace("<edge ", '<edge id="e" ', 1)
    (tmp_path / "drawn.graphml").write_text(drawn, "utf-8")
    (genome,) = at_the_door([tmp_path / "drawn.graphml"]).genomes
    assert genome.values.tolist() == [1.0, 1.0]
