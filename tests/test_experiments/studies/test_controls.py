"""Controls as they run: inheritance, networks made of the winner, candidates, and what everything has cost."""

import signal

import numpy as np
import pytest
from same_tables import assert_equal
from tests_of_kills import count_boundaries, in_child

from cnn.layers.convolution import ConvolutionLayer
from evo import Genome, Phenotype, load_genomes
from evo.errors import SettingsError
from evo.genome.feature_maps import first_taps
from evo.genome.genome import Role
from evo.initial.founders import create_founders
from evo.initial.settings import FounderSettings
from experiments import Experiment, load_results, replay_lineage, resume, run, study
from experiments.analysis import anytime
from experiments.arms.shuffling import shuffled_wiring

SETTINGS = {
    "name": "costs",
    "seeds": 1,
    "founders": {"hidden": 6},
    "evolution": {"population": 3, "generations": 3, "steps_per_generation": 6},
    "policy": {"rewiring_probability": 0.3, "max_operations": 3},
    "baseline": {"arms": []},
}


def little(**changes):
    return Experiment.parse({**SETTINGS, **changes}, "little")


def finished(folder, experiment, **options):
    options = {"workers": 0, "figures": False, "run_name": "one"} | options
    return run(experiment, results=folder, **options)


# -- inheritance -------------------------------------------------------------------------------------------------------

BALDWINIAN = little(
    evolution=SETTINGS["evolution"] | {"inheritance": "baldwinian"},
    baseline={"arms": ["cnn_search"], "maps": 1, "hidden": 2},
)


@pytest.fixture(scope="module")
def baldwinian(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("baldwinian"), BALDWINIAN)


def test_without_inheritance_weights_are_new_in_each_modifying_generation_and_topologies_stay(
    baldwinian,
):
    individuals = baldwinian.individuals.set_index("individual")
    genomes = {}
    for k in range(4):
        part = baldwinian.path / "genomes" / f"seed-0-generation-{k:04d}.npz"
        genomes |= load_genomes(part)
    continued = individuals[individuals["origin"] == "continued"]
    seen = {"new": 0, "kept": 0}
    for number, row in continued.iterrows():
        (parent,) = row["parents"]
        if number not in genomes or parent not in genomes:
            continue
        own, before = genomes[number], genomes[parent]
        assert np.array_equal(own.indices, before.indices)
        distance = np.abs(own.values - before.values).max()
        new = row["generation"] <= BALDWINIAN.evolution.last_modified
        assert (distance > 0.5) == new, (number, distance)
        seen["new" if new else "kept"] += 1
    assert min(seen.values()) > 0
    assert not individuals["reused_from"].notna().any()


def test_the_steps_of_a_network_without_inheritance_are_those_since_its_weights_were_drawn(
    baldwinian,
):
    row = baldwinian.comparison.set_index("arm").loc["evolved"]
    assert BALDWINIAN.evolution.last_modified == 2
    assert (row["steps"], row["total_steps"]) == (12, 3 * (1 + 2 * 2 + 1) * 6)
    assert baldwinian.winner()["ancestry_steps"] == 24


def test_a_lineage_without_inheritance_is_rebuilt_bit_for_bit(baldwinian):
    winner = baldwinian.winner()["individual"]
    lineage = replay_lineage(baldwinian, int(winner))
    assert len(lineage) == 4


@pytest.mark.slow
def test_workers_change_nothing_without_inheritance(baldwinian, tmp_path):
    assert_equal(baldwinian, finished(tmp_path, BALDWINIAN, workers=2))


# -- costs -------------------------------------------------------------------------------------------------------------


def test_training_macs_are_those_counted_by_hand(tmp_path):
    """Two inputs, one hidden node, two outputs: 2·1 + 1·2 = 4 edges, 10 steps of 8 samples, two generations."""
    founder = Genome.from_matrix(np.triu(np.ones((5, 5)), 1) * EDGES, n_inputs=2, n_outputs=2)
    experiment = little(
        dataset={"name": "xor"},
        founders={"graph": "given"},
        evolution={"population": 1, "generations": 1, "steps_per_generation": 10},
        training={"batch_size": 8},
        policy={"name": "none"},
        baseline={"arms": ["static", "retrained"]},
    )
    results = finished(tmp_path, experiment, founders=[founder])
    table = results.comparison.set_index("arm")
    assert table["macs"].tolist() == [4, 4, 4]
    for arm in ("evolved", "static", "retrained"):
        row = table.loc[arm]
        assert (row["steps"], row["samples"], row["training_macs"]) == (20, 160, 640)
    (run_row,) = results.runs.to_dict("records")
    assert run_row["search_training_macs"] == results.individuals["training_macs"].sum()
    assert table.loc["evolved", "total_training_macs"] == run_row["search_training_macs"]
    assert (table[["cpu_seconds", "total_cpu_seconds"]] > 0).all(axis=None)


EDGES = np.zeros((5, 5))
EDGES[:2, 2] = EDGES[2, 3:] = 1


def test_dormant_entries_that_learn_count_in_training_macs_and_not_in_macs(tmp_path):
    experiment = little(
        dataset={"name": "xor"},
        founders={"hidden": 6, "density": 1.0, "active_fraction": 0.5},
        evolution={
            **{"population": 1, "generations": 0, "steps_per_generation": 5},
            **{"dormant": "straight_through", "active_edges": "kept"},
        },
        policy={"name": "none"},
    )
    results = finished(tmp_path, experiment)
    (founder,) = load_genomes(results.path / "genomes" / "seed-0-founders.npz").values()
    every = Phenotype(founder, dormant="straight_through").macs
    (row,) = results.comparison.to_dict("records")
    assert row["training_macs"] == every * 5 * 32
    assert row["macs"] < every
    assert results.runs["search_macs"].iloc[0] < row["total_training_macs"]


def test_networks_that_are_never_trained_have_no_steps_and_are_selected_all_the_same(tmp_path):
    evolution = SETTINGS["evolution"] | {"steps_per_generation": 0, "train_only_fraction": 0.0}
    results = finished(tmp_path, little(evolution=evolution))
    assert (results.individuals["steps"] == 0).all()
    assert results.training.empty
    best = results.generations["best_fitness"]
    assert best.is_monotonic_increasing
    assert best.iloc[-1] > best.iloc[0]
    (row,) = results.comparison.to_dict("records")
    assert (row["steps"], row["total_training_macs"]) == (0, 0)


# -- networks made of the winner ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_winner(tmp_path_factory):
    baseline = {"arms": ["retrained", "shuffled", "cnn", "cnn_search"], "maps": 1, "hidden": 2}
    search = {"learning_rates": [0.1, 0.2], "weight_decays": [0.0]}
    search["training"] = {"label_smoothing": [0.0, 0.1]}
    baseline["search"] = search
    experiment = little(founders={"hidden": 24, "density": 0.5}, baseline=baseline)
    return finished(tmp_path_factory.mktemp("winner"), experiment), experiment


def test_the_retrained_network_has_the_edges_of_the_winner_and_the_steps_of_a_baseline(of_winner):
    results, _ = of_winner
    winner, retrained = (results.network(arm).genome for arm in ("evolved", "retrained"))
    mask = winner.active_mask()
    assert np.array_equal(retrained.indices, winner.indices[mask])
    assert np.array_equal(retrained.targets, winner.targets[mask])
    assert np.abs(retrained.values - winner.values[mask]).max() > 0.1
    table = results.comparison.set_index("arm")
    columns = ["steps", "total_steps", "total_training_macs"]
    macs = 24 * 32 * table.loc["retrained", "macs"]
    assert table.loc["retrained", columns].tolist() == [24, 24, macs]


def test_the_shuffled_network_has_other_edges_and_all_degrees_of_the_winner(of_winner):
    results, _ = of_winner
    winner, shuffled = (results.network(arm).genome for arm in ("evolved", "shuffled"))
    mask = winner.active_mask()
    sources, targets = winner.indices[mask], winner.targets[mask]
    assert np.array_equal(np.bincount(shuffled.indices), np.bincount(sources))
    assert np.array_equal(shuffled.targets, targets)
    assert (shuffled.indices != sources).mean() > 0.1
    hidden = winner.roles != Role.INPUT
    within = hidden[sources]
    assert (
        ((sources < targets)[within]).sum()
        == (shuffled.indices < shuffled.targets)[hidden[shuffled.indices]].sum()
    )


@pytest.mark.parametrize("graph", ["layered", "maps"])
def test_shuffling_keeps_layers_map_sizes_and_kernels(graph):
    layers = {"layers": [[4, 3], [1, 6]], "kernel": 3, "densities": [0.5, 0.3, 0.5]}
    settings = FounderSettings(
        graph=graph, **(layers if graph == "maps" else {"hidden": [12, 8], "density": 0.4})
    )
    n_inputs = 4 if graph == "maps" else 10
    (genome,) = create_founders(settings, n_inputs, 5, n_founders=1, seed=0, map_size=8)
    sizes = settings.layer_sizes(n_inputs, 5)
    wired, n_changed = shuffled_wiring(genome, sizes, rng=np.random.default_rng(0))
    assert n_changed > 0
    layer = np.repeat(np.arange(len(sizes)), sizes)
    assert np.array_equal(layer[wired.indices], layer[wired.targets] - 1)

    def edges(one):
        begins = first_taps(one.indices, one.targets)
        taps = np.diff(np.append(begins, one.n_stored))
        return one.indices[begins], one.targets[begins], taps

    (before, targets, taps), (after, _, new_taps) = edges(genome), edges(wired)
    assert np.array_equal(np.bincount(before), np.bincount(after))
    assert np.array_equal(edges(wired)[1], targets)
    for node in np.unique(targets):
        assert sorted(taps[targets == node]) == sorted(new_taps[targets == node])
    assert Phenotype(wired).macs == pytest.approx(Phenotype(genome).macs, rel=0.1)


def test_a_wiring_that_has_no_other_is_a_failed_arm_with_its_reason(tmp_path):
    experiment = little(
        founders={"graph": "layered", "hidden": 3, "density": 1.0},
        evolution={"population": 1, "generations": 0, "steps_per_generation": 3},
        policy={"name": "none"},
        baseline={"arms": ["shuffled", "mlp"], "hidden": 2},
    )
    results = finished(tmp_path, experiment)
    row = results.baseline.set_index("arm").loc["shuffled"]
    assert row["status"] == "failed"
    assert row["reason"] == "no other wiring was found that has the winner's degrees and layers"
    assert set(results.comparison["arm"]) == {"evolved", "mlp"}
    assert any("shuffled" in line for line in results.divergences())


# -- candidates --------------------------------------------------------------------------------------------------------


def test_as_many_candidates_are_trained_as_the_search_pays_for(of_winner):
    results, _ = of_winner
    table = results.comparison.set_index("arm")
    candidates = results.candidates
    budget = table.loc["evolved", "total_training_macs"]
    each = 24 * 32 * table.loc["cnn", "macs"]
    assert len(candidates) == budget // each > 2
    assert table.loc["cnn_search", "total_training_macs"] == len(candidates) * each
    assert table.loc["cnn_search", "total_steps"] == len(candidates) * 24
    assert table.loc["cnn_search", "steps"] == 24
    assert table.loc["cnn_search", "total_networks"] == len(candidates)
    rows = candidates[["learning_rate", "training", "restart"]].to_numpy().tolist()
    smoothed = ['{"label_smoothing": 0.0}', '{"label_smoothing": 0.1}']
    assert rows[:4] == [[rate, one, 0] for rate in (0.1, 0.2) for one in smoothed]
    assert candidates["restart"].tolist() == [k // 4 for k in range(len(candidates))]
    assert candidates["train_loss"].iloc[1] > candidates["train_loss"].iloc[0] + 0.01


def test_the_candidate_with_the_lowest_validation_loss_is_tested(of_winner):
    results, _ = of_winner
    best = results.candidates.loc[results.candidates["validation_loss"].idxmin()]
    row = results.baseline.set_index("arm").loc["cnn_search"]
    assert row["candidate"] == best["candidate"]
    assert row["validation_loss"] == best["validation_loss"]
    tested = results.comparison.set_index("arm").loc["cnn_search"]
    assert tested["validation_loss"] == best["validation_loss"]
    network = results.network("cnn_search").network
    assert isinstance(network.layers[0], ConvolutionLayer)


def test_the_anytime_curve_of_candidates_counts_all_of_them(of_winner):
    results, _ = of_winner
    curve = anytime(results, "loss").query("arm == 'cnn_search'")
    assert len(curve) == len(results.candidates)
    assert curve["steps"].iloc[-1] == results.candidates["steps"].sum()
    assert curve["best"].iloc[-1] == results.candidates["validation_loss"].min()
    tested = results.comparison.set_index("arm").loc["cnn_search", "test_loss"]
    assert curve["test"].iloc[-1] == tested


def test_the_first_candidate_is_the_arm_cnn(of_winner):
    results, _ = of_winner
    cnn = results.baseline.set_index("arm").loc["cnn"]
    first = results.candidates.iloc[0]
    for name in ("validation_loss", "train_loss", "training_macs", "steps"):
        assert first[name] == cnn[name]


@pytest.mark.slow
def test_candidates_that_were_trained_before_a_kill_are_not_trained_again(of_winner, tmp_path):
    whole, experiment = of_winner
    n_boundaries = count_boundaries(lambda: finished(tmp_path / "counted", experiment))
    folder, fatal = tmp_path / "killed", n_boundaries - 80
    assert in_child(lambda: finished(folder, experiment), fatal=fatal) == -signal.SIGKILL
    left = load_results(folder / "one")
    assert 0 < len(left.candidates) < len(whole.candidates)
    assert_equal(whole, resume(folder / "one", workers=0, figures=False))


# -- a study with controls ---------------------------------------------------------------------------------------------


FOUR = SETTINGS["evolution"] | {"population": 4}


@pytest.fixture(scope="module")
def of_study(tmp_path_factory):
    return study(
        little(evaluation={"equal": ["total_steps"]}, evolution=FOUR),
        controls=["random_search", "train_only", "baldwinian"],
        seeds=1,
        folder=tmp_path_factory.mktemp("study"),
        workers=0,
        figures=False,
    )


def test_a_study_spends_the_same_on_every_control_and_verdicts_say_so(of_study):
    summary = of_study.summary()
    assert set(summary["total_steps"]) == {144.0}
    assert summary["steps"].to_dict() == {
        **{"evolved": 24, "baldwinian": 12, "random_search": 24, "train_only": 36}
    }
    lines = of_study.verdicts()
    assert len(lines) == 3
    for line in lines:
        equal = line.partition("equal budgets: ")[2].partition(";")[0].split(", ")
        assert {"total_networks", "total_steps", "total_samples"} <= set(equal)
    assert "steps" in lines[0].partition("unequal: ")[2].split(", ")


def test_a_run_whose_arms_cannot_have_a_declared_budget_in_common_is_refused(tmp_path):
    experiment = little(evaluation={"equal": ["total_steps"]}, baseline={"arms": ["mlp"]})
    with pytest.raises(SettingsError, match="got 108 for evolved and 24 for mlp"):
        run(experiment, results=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_settings_of_controls_stand_in_the_table_of_runs(of_study):
    runs = of_study.runs.drop_duplicates("arm").set_index("arm")
    assert runs.loc["baldwinian", "evolution.inheritance"] == "baldwinian"
    assert runs.loc["train_only", "policy.name"] == "none"
