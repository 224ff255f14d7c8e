"""The presets of maps: every arm at one budget and one number of steps, and its wiring frozen at the end."""

import itertools
import json

import numpy as np
import pytest

from evo import replay
from evo.genome.codec import load_genomes
from evo.initial.map_founders import LayerShape
from experiments import load_dataset, load_results, load_study, run_study
from experiments.settings.experiment import read_settings
from experiments.studies.study import Study, parse_study

PRESETS = ["fashion", "fashion-small", "kernels-digits", "mnist-kernels"]
REWIRED = ["set", "rigl", "evolved"]
AWAKE = ["straight-through", "evolved", "train-only"]
PARAMETERS, MACS = 2746, 5216


def shortened():
    """Return the arms of the preset on digits, each of 24 steps."""
    study = load_study("kernels-digits")
    arms = {}
    for name, experiment in study.arms.items():
        changes = {"seeds": 1}
        if experiment.evolve:
            sized = {"population": min(experiment.evolution.population, 2), "generations": 7}
            changes["evolution"] = experiment.evolution.model_copy(
                update={**sized, "steps_per_generation": 3}
            )
        else:
            changes["baseline"] = experiment.baseline.model_copy(update={"total_steps": 24})
        arms[name] = experiment.model_copy(update=changes)
    return Study(study.name, arms)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the preset on digits, cut short, and its results."""
    study = shortened()
    return study, run_study(study, folder=tmp_path_factory.mktemp("kernels") / "runs", workers=0)


def generations(results, arm):
    folder = next(path for path in results.paths if path.name == f"{arm}-seed-0") / "genomes"
    return [load_genomes(folder / f"seed-0-generation-{k:04d}.npz") for k in range(8)]


def counts(genome, sizes):
    """Return the edges into each level but the inputs'; fail if one comes from any but the level before."""
    level = np.repeat(np.arange(len(sizes)), sizes)
    live = genome.active_mask()
    targets = genome.targets[live]
    assert (level[targets] == level[genome.indices[live]] + 1).all()
    return np.bincount(level[targets], minlength=len(sizes))[1:].tolist()


# -- presets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_every_arm_has_one_recipe_and_equally_many_steps_and_freezes_its_wiring(name):
    study = load_study(name)
    assert study.name == name
    assert len({one.training for one in study.arms.values()}) == 1
    fixed = [one for one in study.arms.values() if not one.evolve]
    evolving = [one for one in study.arms.values() if one.evolve]
    (steps,) = {one.baseline.total_steps for one in fixed}
    assert {one.evolution.total_steps for one in evolving} == {steps}
    assert {one.evolution.train_only_fraction for one in evolving} == {0.25}
    rewired = [one for one in evolving if one.policy.name != "none"]
    for one in rewired:
        assert one.evolution.last_modified == round(0.75 * one.evolution.generations)
    limits = [
        (one.policy.operators.max_parameters, one.policy.operators.max_macs) for one in rewired
    ]
    budgets = [(one.founders.max_parameters, one.founders.max_macs) for one in rewired]
    assert limits == budgets


def test_the_presets_on_published_images_share_lenets_budget_and_recipe():
    fashion, mnist = read_settings("fashion"), read_settings("mnist-kernels")
    assert fashion | {"name": "mnist-kernels"} == mnist
    small = read_settings("fashion-small")
    assert all(small[part] == fashion[part] for part in ("dataset", "training", "baseline"))
    alone = read_settings("lenet-fashion")
    assert fashion["training"] == alone["training"]
    for one in parse_study(fashion, "fashion").arms.values():
        if not one.evolve:
            continue
        levels = one.founders.layer_shapes(LayerShape(28, 1), 10)
        taps = one.founders.tap_counts(levels[0], 10)
        n_biases = sum(level.n_nodes for level in levels[1:])
        macs = sum(n * level.map_size**2 for n, level in zip(taps, levels[1:], strict=True))
        assert 0.99 * 61_706 < sum(taps) + n_biases <= 61_706
        assert 0.97 * 416_520 < macs <= 416_520
    # 55,000 of the 60,000 images, in batches of 64: ten epochs.
    assert round(60_000 * fashion["dataset"]["validation"]) == 5000
    assert fashion["evolution"]["steps_per_generation"] == -(-55_000 // 64)


# -- a short run -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_arm_is_compared_with_the_cnn_at_its_budget(finished):
    study, results = finished
    assert results.unfinished == []
    comparison = results.comparison.set_index("arm")
    assert set(comparison.index) == set(study.arms)
    assert set(comparison["steps"]) == {24}
    assert (comparison.loc["cnn", "parameters"], comparison.loc["cnn", "macs"]) == (
        PARAMETERS,
        MACS,
    )
    evolving = comparison.drop("cnn")
    assert (evolving["parameters"] <= PARAMETERS).all()
    assert (evolving["macs"] <= MACS).all()
    assert (evolving["parameters"] > 0.9 * PARAMETERS).all()


@pytest.mark.slow
def test_no_network_is_ever_judged_beyond_the_budget(finished):
    _, results = finished
    individuals = results.individuals
    assert set(individuals["status"]) == {"ok"}
    assert (individuals["parameters"] <= PARAMETERS).all()
    assert (individuals["macs"] <= MACS).all()
    rewiring = individuals[individuals["generation"] < 6]
    dormant = rewiring["n_stored"] > rewiring["n_active"]
    assert dormant.tolist() == rewiring["run"].isin([f"{arm}-seed-0" for arm in AWAKE]).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["set", "rigl", "straight-through", "static-2x"])
def test_the_edges_of_each_level_stay_as_many(finished, arm):
    study, results = finished
    founders = study.arms[arm].founders
    expected = founders.tap_counts(founders.input_layer((8, 8)), 10)
    sizes = founders.layer_sizes(1, 10)
    assert sizes == (1, 16, 64, 10)
    for genomes in generations(results, arm):
        (genome,) = genomes.values()
        found = counts(genome, sizes)
        # RigL leaves out a place whose gradient is 0.
        assert found == expected if arm != "rigl" else (np.array(found) <= expected).all()


@pytest.mark.slow
@pytest.mark.parametrize("arm", [*REWIRED, "straight-through", "train-only"])
def test_wiring_is_frozen_in_the_last_quarter(finished, arm):
    _, results = finished
    genomes = generations(results, arm)
    for number, (before, after) in enumerate(itertools.pairwise(genomes), start=1):
        if number <= 6:
            continue
        edges = {(*one.indices.tolist(), *one.taps.tolist()) for one in before.values()}
        assert all((*one.indices.tolist(), *one.taps.tolist()) in edges for one in after.values())
    assert all(one.threshold is None for one in genomes[-1].values())


@pytest.mark.slow
def test_edges_wake_and_fall_asleep_while_maps_train(finished):
    _, results = finished
    first, *_, last = (
        next(iter(one.values())) for one in generations(results, "straight-through")[:6]
    )
    assert first.n_stored == last.n_stored
    assert (first.active_mask() != last.active_mask()).any()
    assert not np.array_equal(first.threshold, last.threshold)


@pytest.mark.slow
@pytest.mark.parametrize("arm", REWIRED)
def test_records_in_the_table_rebuild_each_wiring_from_the_one_before(finished, arm):
    _, results = finished
    individuals = results.individuals.query("run == @arm + '-seed-0'").set_index("individual")
    genomes = {key: one for each in generations(results, arm) for key, one in each.items()}
    operations = results.operations.query("run == @arm + '-seed-0'")
    rebuilt = 0
    for number, rows in operations.groupby("individual"):
        (parent,) = individuals.loc[number, "parents"]
        if number not in genomes or parent not in genomes:
            continue
        ordered = rows.sort_values("position")
        record = [(one.operator, json.loads(one.parameters)) for one in ordered.itertuples()]
        child = replay(record, genomes[parent])
        for name in ("indptr", "indices", "taps", "ids"):
            assert np.array_equal(getattr(child, name), getattr(genomes[number], name))
        rebuilt += 1
    assert rebuilt > 3


@pytest.mark.slow
def test_the_winner_predicts_from_raw_images(finished):
    _, results = finished
    evolved = load_results(next(path for path in results.paths if path.name == "evolved-seed-0"))
    data = load_dataset("digits")
    accuracy = evolved.best().score(data.inputs, data.targets)
    assert accuracy == pytest.approx(evolved.comparison["test_accuracy"].item(), abs=0.1)
