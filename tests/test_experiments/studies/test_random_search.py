"""Random search, the control for evolution: as many gradient steps, all on topologies drawn blindly."""

import itertools

import numpy as np

from evo.evolution.settings import EvolutionSettings
from evo.genome.codec import load_genomes
from experiments import load_experiment, run


def test_the_preset_spends_what_digits_spends_and_differs_in_the_search_alone():
    digits, control = load_experiment("digits"), load_experiment("digits-random")
    for section in ("dataset", "founders", "training", "baseline", "seeds"):
        assert getattr(control, section) == getattr(digits, section)
    for name in ("steps_per_generation", "generations"):
        assert getattr(control.evolution, name) == getattr(digits.evolution, name)
    assert control.evolution.expected_individuals() == digits.evolution.expected_individuals()
    # What the preset's comment promises for new topologies in every generation.
    anew = EvolutionSettings.model_validate(
        digits.evolution.model_dump() | {"population": 27, "selection": {"name": "random_search"}}
    )
    assert anew.expected_individuals() == digits.evolution.expected_individuals()


def test_topologies_drawn_once_are_trained_for_the_whole_schedule(tiny, tmp_path):
    evolution = {
        "population": 5,
        "generations": 3,
        "steps_per_generation": 10,
        "train_only_fraction": 1.0,
    }
    results = run(
        tiny(seeds=1, evolution=evolution, policy={"name": "none"}),
        workers=0, results=tmp_path, run_name="r",
    figures=False,)  # fmt: skip
    assert results.operations.empty
    assert results.credits.empty
    assert len(results.individuals) == 5 * 4
    genomes = results.path / "genomes"
    founders = load_genomes(genomes / "seed-3-founders.npz")
    last = load_genomes(genomes / "seed-3-generation-0003.npz")
    table = results.individuals.set_index("individual")
    assert len(last) == 5
    for number, genome in last.items():
        assert table.loc[number, "ancestry_steps"] == 40
        founder = founders[int(table.loc[number, "founder"])]
        assert np.array_equal(genome.indices, founder.indices)
        assert np.array_equal(genome.indptr, founder.indptr)


def test_new_topologies_in_every_generation_owe_nothing_to_those_before(tiny, tmp_path):
    evolution = {
        "population": 4, "generations": 3, "steps_per_generation": 10, "train_only_fraction": 0,
        "selection": {"name": "random_search"},
    }  # fmt: skip
    results = run(
        tiny(seeds=1, evolution=evolution, policy={"name": "random"}),
        workers=0, results=tmp_path, run_name="r",
    figures=False,)  # fmt: skip
    individuals = results.individuals
    assert set(individuals.loc[individuals["generation"] > 0, "operators"]) == {"AAN"}
    genomes = [
        load_genomes(results.path / "genomes" / f"seed-3-generation-{k:04d}.npz") for k in range(4)
    ]
    parents = individuals.set_index("individual")["parents"]
    for earlier, later in itertools.pairwise(genomes):
        for number, child in later.items():
            (parent,) = parents[number]
            before = earlier[int(parent)]
            assert child.n_stored == before.n_stored
            assert (child.to_dense() != 0).sum() == child.n_stored
            shared = ((child.to_dense() != 0) & (before.to_dense() != 0)).sum()
            assert shared < 0.5 * child.n_stored
