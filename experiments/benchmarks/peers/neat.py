"""neat-python as a peer: its settings, and its XOR example."""

import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from evo.files import write_text

Sections = Mapping[str, Mapping[str, Any]]

SQUARE = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
WANTED = (0.0, 1.0, 1.0, 0.0)
"""XOR on the corners of a square."""

XOR_EXAMPLE: Sections = {
    "NEAT": {
        "fitness_criterion": "max",
        "fitness_threshold": 3.9,
        "no_fitness_termination": False,
        "pop_size": 150,
        "reset_on_extinction": False,
    },
    "DefaultGenome": {
        "compatibility_disjoint_coefficient": 1.0,
        "compatibility_weight_coefficient": 0.5,
        "conn_add_prob": 0.5,
        "conn_delete_prob": 0.5,
        "enabled_default": True,
        "enabled_mutate_rate": 0.01,
        "feed_forward": True,
        "initial_connection": "full",
        "node_add_prob": 0.2,
        "node_delete_prob": 0.2,
        "num_hidden": 0,
        "num_inputs": 2,
        "num_outputs": 1,
        "bias_init_mean": 0.0,
        "bias_init_stdev": 1.0,
        "bias_mutate_power": 0.5,
        "bias_mutate_rate": 0.7,
        "bias_replace_rate": 0.1,
        "response_init_mean": 1.0,
        "response_init_stdev": 0.0,
        "response_mutate_power": 0.0,
        "response_mutate_rate": 0.0,
        "response_replace_rate": 0.0,
        "weight_init_mean": 0.0,
        "weight_init_stdev": 1.0,
        "weight_mutate_power": 0.5,
        "weight_mutate_rate": 0.8,
        "weight_replace_rate": 0.1,
        "activation_default": "sigmoid",
        "activation_options": "sigmoid",
        "activation_mutate_rate": 0.0,
        "aggregation_default": "sum",
        "aggregation_options": "sum",
        "aggregation_mutate_rate": 0.0,
    }
    | {
        f"{what}_{name}": value
        for what in ("bias", "response", "weight")
        for name, value in (("init_type", "gaussian"), ("max_value", 30.0), ("min_value", -30.0))
    },
    "DefaultSpeciesSet": {"compatibility_threshold": 3.0},
    "DefaultStagnation": {
        "species_fitness_func": "max",
        "max_stagnation": 20,
        "species_elitism": 2,
    },
    "DefaultReproduction": {"elitism": 2, "survival_threshold": 0.2, "min_species_size": 2},
}
"""The settings of neat-python's XOR example, feed-forward."""


SHARPNEAT_GENOME: Mapping[str, Any] = {
    "node_add_prob": 0.01,
    "node_delete_prob": 0.0,
    "conn_add_prob": 0.025,
    "conn_delete_prob": 0.025,
    "single_structural_mutation": True,
    "enabled_mutate_rate": 0.0,
} | {
    f"{what}_{name}": value
    for what in ("bias", "weight")
    for name, value in (
        ("init_type", "uniform"),
        ("init_stdev", 2.5),  # uniform means mean ± 2 standard deviations
        ("max_value", 5.0),
        ("min_value", -5.0),
        ("mutate_power", 0.01),
    )
}
"""Genomes as in SharpNEAT, apart from the rates of one weight, which :func:`sharpneat` adds."""

SHARPNEAT_CHANGED, SHARPNEAT_DRAWN = 0.94 * 1.433, 0.94 * 0.0865
"""Weights of a child that are changed, and that are drawn anew.

0.94 of the children have such weights. The published scheme changes 1, 2 or 3 weights with probabilities 0.5985, 0.2985
and 0.0985, and draws as many anew with 0.015 each, all divided by their sum.
"""


def sharpneat(n_inputs: int) -> Sections:
    """Return the published default settings of SharpNEAT's evolution, as far as neat-python has them.

    They are those of ``NeatEvolutionAlgorithmSettings``, ``NeatAsexualReproductionSettings`` and
    ``WeightMutationSchemeFactory`` of SharpNEAT 4, with the population and the range of weights of its example for XOR.
    neat-python has no number of species, no proportion of elites (3 are a fifth of the mean of ten species), no mating
    between species and no phases that make networks simpler. All its children have two parents and mutate; half of
    SharpNEAT's have one parent, and only these mutate. Its rates are those of one weight, so they are set for the first
    networks, of one weight for each input and a bias.
    """
    n = n_inputs + 1
    rates = {
        f"{what}_{name}": value / n
        for what in ("bias", "weight")
        for name, value in (("mutate_rate", SHARPNEAT_CHANGED), ("replace_rate", SHARPNEAT_DRAWN))
    }
    return {
        "NEAT": {"pop_size": 150},
        "DefaultGenome": {**SHARPNEAT_GENOME, **rates},
        "DefaultStagnation": {"max_stagnation": 10**9},
        "DefaultReproduction": {"elitism": 3, "survival_threshold": 0.2, "min_species_size": 1},
    }


def neat_config(changes: Sections | None = None) -> Any:
    """Return the configuration of the XOR example, with changes.

    The configuration is written to a file first, because neat-python reads only files.
    """
    neat = import_module("neat")
    lines = []
    for section, defaults in XOR_EXAMPLE.items():
        lines.append(f"[{section}]")
        named = {**defaults, **(changes or {}).get(section, {})}
        lines += [f"{name} = {value}" for name, value in named.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "neat.ini"
        write_text(path, "\n".join(lines))
        parts = (neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet)
        return neat.Config(*parts, neat.DefaultStagnation, str(path))


def evolve(
    config: Any, fitness: Callable[[Any], float], *, kind: str, seed: int, generations: int
) -> tuple[int, bool, int]:
    """Run neat-python without its reporters.

    Parameters
    ----------
    config
        Its configuration.
    fitness : callable
        ``fitness(network)`` judges one network.
    kind : str
        ``"FeedForwardNetwork"`` or ``"RecurrentNetwork"``.
    seed, generations : int
        Its seed, and the largest number of generations.

    Returns
    -------
    int
        Networks evaluated.
    bool
        Whether the fitness threshold was reached.
    int
        Enabled connections of the best network.
    """
    neat = import_module("neat")
    evaluations = 0

    def evaluate(genomes: list[tuple[int, Any]], config: Any) -> None:
        nonlocal evaluations
        evaluations += len(genomes)
        for _, genome in genomes:
            genome.fitness = fitness(getattr(neat.nn, kind).create(genome, config))

    winner = neat.Population(config, seed=seed).run(evaluate, generations)
    n_edges = sum(gene.enabled for gene in winner.connections.values())
    return evaluations, bool(winner.fitness >= config.fitness_threshold), n_edges


def evolve_xor(config: Any, *, seed: int, generations: int) -> tuple[int, bool, int]:
    """Run neat-python's example; return what :func:`evolve` returns."""

    def fitness(network: Any) -> float:
        value = 4.0
        for inputs, wanted in zip(SQUARE, WANTED, strict=True):
            value -= (network.activate(inputs)[0] - wanted) ** 2
        return value

    return evolve(config, fitness, kind="FeedForwardNetwork", seed=seed, generations=generations)
