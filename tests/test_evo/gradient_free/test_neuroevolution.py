"""Neuroevolution as a whole: what networks compute, selection, results, reproducibility, and the errors it gives."""

import numpy as np
import pandas as pd
import pytest
from small_networks import bred_population

from cnn.training.losses import LOSSES
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import evaluate, train
from evo import NeuroevolutionSettings, Phenotype, neuroevolve, replay
from evo.errors import EvoMatrixError, SettingsError
from evo.genome.activations import ACTIVATIONS
from evo.gradient_free.compiled_run import prepare_run
from evo.gradient_free.dense_population import empty_networks, genome_at
from evo.gradient_free.selection import PARENT_SELECTIONS, Ranked

SQUARE = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
XOR = Samples(SQUARE, [[0.0], [1.0], [1.0], [0.0]])
SOLVED = -0.0125
"""Fitness where the sum of squared errors over the four samples is 0.1."""
XOR_SETTINGS = NeuroevolutionSettings(output_activation="sigmoid", target_fitness=SOLVED)
SMOOTH = tuple(name for name in ACTIVATIONS if name != "sign")
"""Activations by which sums in another order make but a little difference."""
CUBE = np.stack(np.meshgrid(*[np.float32([0, 1])] * 3, indexing="ij"), -1).reshape(8, 3)
PARITY = Samples(CUBE, CUBE.sum(axis=1).astype(np.int64) % 2)


def random_samples(rng, *, classes):
    inputs = rng.normal(size=(11, 4)).astype(np.float32)
    return Samples(inputs, rng.integers(3, size=11) if classes else rng.normal(size=(11, 3)))


# -- what networks compute ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [1, 2, 3])
@pytest.mark.parametrize("loss", list(LOSSES))
def test_fitness_is_that_of_the_phenotype(loss, ticks):
    samples = random_samples(
        np.random.default_rng(0), classes=LOSSES[loss].target_kind == "classes"
    )
    settings = NeuroevolutionSettings(
        population=60, hidden=5, loss=loss, ticks=ticks, max_weight=2.0, elites=0,
        activations=SMOOTH,
    )  # fmt: skip
    problem = prepare_run(samples, settings, 1)
    networks = bred_population(problem)
    fitness = problem.evaluate(networks, 0, 60)[:, 0]
    for p in range(60):
        network = Phenotype(genome_at(networks, p, problem.rules), loss)
        assert fitness[p] == pytest.approx(-evaluate(network, samples).loss, rel=1e-5, abs=1e-6)


def test_accuracy_is_that_of_the_phenotype():
    samples = random_samples(np.random.default_rng(2), classes=True)
    problem = prepare_run(samples, NeuroevolutionSettings(fitness="accuracy", elites=0), 1)
    networks = bred_population(problem)
    fitness = problem.evaluate(networks, 0, 150)[:, 0]
    expected = [
        evaluate(Phenotype(genome_at(networks, p, problem.rules)), samples).accuracy
        for p in range(150)
    ]
    assert np.array_equal(fitness, expected)
    assert len(set(expected)) > 3


def test_evaluation_does_not_depend_on_chunks_or_on_neighbours():
    problem = prepare_run(XOR, XOR_SETTINGS.model_copy(update={"ticks": 2, "elites": 0}), 1)
    networks = bred_population(problem)
    parts = [problem.evaluate(networks, *part) for part in ((0, 7), (7, 100), (100, 150))]
    assert np.array_equal(problem.evaluate(networks, 0, 150), np.concatenate(parts))


# -- selection ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tournament", "truncation"])
def test_better_ones_have_more_children_and_elites_keep_their_slots(name):
    settings = NeuroevolutionSettings(population=2000, selection=name, elites=5, tournament_size=3)
    selection, networks = PARENT_SELECTIONS[name](settings, 3), empty_networks(1, 1)
    ranking, fitness = np.random.default_rng(0).permutation(2000), np.zeros(2000)
    chosen = selection.choose(Ranked(networks, fitness, ranking), 7)
    assert (chosen.mate_of, chosen.n_elites) == (None, 5)
    parent_of = chosen.parent_of
    assert parent_of[:5].tolist() == ranking[:5].tolist()
    place = np.argsort(ranking)[parent_of[5:]]
    if name == "truncation":  # evenly from the best fifth
        assert place.max() < 400
        assert place.mean() == pytest.approx(200, abs=20)
    else:  # the best of three of 2,000
        assert place.mean() == pytest.approx(2000 / 4, abs=50)
    other = selection.choose(Ranked(networks, fitness, ranking), 8).parent_of
    assert not np.array_equal(parent_of, other)


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_xor_is_solved_from_every_seed(seed):
    run = neuroevolve(XOR, XOR_SETTINGS, seed=seed)
    assert run.solved
    network = Phenotype(run.winner, "squared_error")
    assert np.square(network.output(XOR.inputs) - XOR.targets).sum() <= 0.1 + 1e-6
    assert run.winner_fitness == pytest.approx(-network.loss(XOR.inputs, XOR.targets), abs=1e-6)


@pytest.mark.parametrize("selection", PARENT_SELECTIONS)
def test_parity_of_three_bits_is_solved_as_a_classification(selection):
    settings = NeuroevolutionSettings(
        population=500, hidden=6, fitness="negative_loss", target_fitness=-0.1, selection=selection
    )
    run = neuroevolve(PARITY, settings, seed=0)
    assert run.solved
    assert evaluate(Phenotype(run.winner), PARITY).accuracy == 1.0


def test_the_table_tells_of_every_generation():
    run = neuroevolve(XOR, XOR_SETTINGS, seed=4)
    table = run.table
    assert list(table) == [
        "generation", "best_fitness", "mean_fitness", "n_diverged", "evaluations", "n_active", "seconds",
    ]  # fmt: skip
    assert table["generation"].tolist() == list(range(len(table)))
    assert table["evaluations"].tolist() == [150 + 148 * g for g in range(len(table))]
    assert run.evaluations == table["evaluations"].iloc[-1]
    assert table["best_fitness"].is_monotonic_increasing  # elites are kept
    assert (table["mean_fitness"] <= table["best_fitness"]).all()
    assert (table["n_diverged"] == 0).all()
    assert (table["seconds"] > 0).all()
    last = table.iloc[-1]
    assert last["best_fitness"] == run.winner_fitness >= SOLVED > table["best_fitness"].iloc[-2]
    assert last["n_active"] == run.winner.active_mask().sum()
    assert run.winner_at[0] == last["generation"]


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    runs = [neuroevolve(XOR, XOR_SETTINGS, seed=seed) for seed in (1, 1, 2)]
    tables = [run.table.drop(columns="seconds") for run in runs]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert runs[0].winner.equals(runs[1].winner)
    assert not runs[0].winner.equals(runs[2].winner)


@pytest.mark.parametrize("seed", range(5))
def test_the_winners_lineage_replays_from_its_founder(seed):
    run = neuroevolve(XOR, XOR_SETTINGS, seed=seed)
    genome, ancestors = run.lineage()
    assert len(ancestors) > 3
    assert [ancestor.generation for ancestor in ancestors] == sorted(
        {b.generation for b in ancestors}
    )
    assert (ancestors[-1].generation, ancestors[-1].individual) == run.winner_at
    for ancestor in ancestors:
        genome = replay(ancestor.record, genome)
    assert genome.equals(run.winner)


def test_the_winner_can_be_trained_on():
    run = neuroevolve(PARITY, NeuroevolutionSettings(generations=20), seed=0)
    network = Phenotype(run.winner)
    before = evaluate(network, PARITY).loss
    assert before == pytest.approx(-run.winner_fitness, rel=1e-4)
    train(
        network, PARITY, Recipe(learning_rate=0.1, batch_size=8),
        first_step=0, steps=300, total_steps=300, order_seed=np.random.SeedSequence(0),
    )  # fmt: skip
    assert evaluate(network, PARITY).loss < before


@pytest.mark.parametrize("population", [1, 2])
def test_a_population_of_one_or_two_still_has_children(population):
    run = neuroevolve(XOR, NeuroevolutionSettings(population=population, generations=50), seed=0)
    assert len(set(run.table["best_fitness"])) > 1
    assert run.winner_fitness == run.table["best_fitness"].max()
    assert run.evaluations == population + 49
    genome, ancestors = run.lineage()
    for ancestor in ancestors:
        genome = replay(ancestor.record, genome)
    assert genome.equals(run.winner)


def test_networks_without_hidden_nodes_or_edges_evolve_too():
    settings = NeuroevolutionSettings(hidden=0, density=0.0, generations=5)
    run = neuroevolve(XOR, settings, seed=0)
    assert run.table["n_active"].iloc[0] == 0
    assert run.winner.n_nodes == 3


def test_networks_that_diverge_come_last_and_are_counted():
    settings = NeuroevolutionSettings(
        population=30, activations=("identity",), ticks=20, init_std=10.0, generations=4
    )
    run = neuroevolve(XOR, settings, seed=0)
    assert run.table["n_diverged"].max() > 0
    assert np.isfinite(run.winner_fitness)
    assert np.isfinite(run.table["best_fitness"]).all()
    hopeless = settings.model_copy(update={"ticks": 1000, "init_std": 1e6, "max_weight": 1e6})
    with pytest.raises(EvoMatrixError, match="no network of the run had a finite fitness"):
        neuroevolve(XOR, hopeless.model_copy(update={"operator_weights": {"H": 1.0}}), seed=0)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 0}, "population must be greater than or equal to 1; got 0"),
        ({"activations": ("tanh", "tahn")}, "activations must be one of .*; got 'tahn'"),
        ({"output_activation": ""}, "output_activation must be one of .*; got ''"),
        (
            {"operator_weights": {"N": 1, "X": 1}},
            "operator_weights must be among A, B, C, D, F, H, N; got 'X'",
        ),
        ({"operator_weights": {"N": 0}}, r"operator_weights must be in \[0, 1e6\), not all 0"),
        ({"operator_weights": {"N": -1, "A": 2}}, "operator_weights must be in"),
        ({"selection": "roulette"}, "selection must be 'tournament', 'truncation' or 'speciation'"),
        ({"operators": {"max_factor": 0}}, "operators.max_factor"),
        ({"species": 3}, "species must not be given unless selection is speciation; got 3"),
        ({"speed": 1}, "speed: unknown key"),
        ({"target_fitness": float("nan")}, "target_fitness must be a finite number; got nan"),
    ],
)
def test_a_bad_setting_gives_one_error_that_names_it(settings, message):
    with pytest.raises(SettingsError, match=f"^{message}") as raised:
        NeuroevolutionSettings(**settings)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("samples", "settings", "message"),
    [
        (
            XOR,
            {"loss": "cross_entropy"},
            "loss must be one for values as targets; got 'cross_entropy'",
        ),
        (
            PARITY,
            {"loss": "squared_error"},
            "loss must be one for classes as targets; got 'squared_error'",
        ),
        (
            XOR,
            {"fitness": "accuracy"},
            "fitness must be 'negative_loss' if targets are values; got 'accuracy'",
        ),
        (Samples(SQUARE, [0, 1, -1, 0]), {}, "targets must be classes from 0; got -1"),
        (XOR, {"population": 10**6, "hidden": 100}, r"population × nodes² must be at most"),
        (Samples(np.zeros((2, 0)), [0, 1]), {}, "inputs must have at least one feature; got none"),
    ],
)
def test_settings_that_do_not_fit_the_samples_are_refused(samples, settings, message):
    with pytest.raises(ValueError, match=message):
        neuroevolve(samples, NeuroevolutionSettings(**settings), seed=0)
