"""Averages of the weights in evolution: a genome has the average, its optimizer state what training goes on with."""

from dataclasses import replace

import numpy as np
import pytest

from evo import (
    Evolution,
    EvolutionSettings,
    EvolutionState,
    FounderSettings,
    Job,
    Phenotype,
    PolicySettings,
    create_founders,
)
from evo.editing.editor import GenomeEditor
from evo.errors import ResultsError
from evo.evolution.individual import evaluate_individual
from evo.operators.registry import apply_operation
from evo.storage.individuals import load_individuals, save_individuals

AVERAGE = {"average": "exponential", "average_decay": 0.8}


def numbers(genome):
    return np.concatenate([genome.values, genome.bias])


def founder_job(genome):
    return Job(0, 0, 0, "founder", (), 0, genome, None, "none", (), 0.0, 0, 0.0)


def continued(parent, **changes):
    parts = {
        "individual": 1,
        "generation": 1,
        "origin": "continued",
        "parents": (0,),
        "genome": parent.genome,
        "optimizer_state": parent.optimizer_state,
        "first_step": parent.ancestry_steps,
    }
    return replace(parent.job, **(parts | changes))


@pytest.fixture
def trained(task):
    """A task, and its founder after training; some nodes are not computed."""
    settings = FounderSettings(hidden=5, density=0.4)
    (genome,) = create_founders(settings, 4, 2, n_founders=1, seed=3)
    assert genome.threshold is None
    given = task(policy=PolicySettings(name="none"), **AVERAGE)
    return given, evaluate_individual(given, founder_job(genome))


def test_the_average_is_judged_and_kept_and_training_goes_on_from_the_last_weights(trained, task):
    given, founder = trained
    child = evaluate_individual(given, continued(founder))
    plain = task(policy=PolicySettings(name="none"))
    twins = [evaluate_individual(plain, founder_job(founder.job.genome))]
    twins.append(evaluate_individual(plain, continued(twins[0])))
    for one, twin in zip((founder, child), twins, strict=True):
        np.testing.assert_array_equal(one.optimizer_state.last_weights, numbers(twin.genome))
        np.testing.assert_array_equal(one.optimizer_state.moments, twin.optimizer_state.moments)
        assert np.abs(numbers(one.genome) - numbers(twin.genome)).max() > 1e-3
        network = Phenotype(one.genome)
        validation = given.validation
        assert one.validation_loss == network.loss(validation.inputs, validation.targets)
        assert twin.optimizer_state.last_weights is None


@pytest.mark.parametrize(
    ("code", "parameters"), [("B", {"a": 5, "b": 6}), ("C", {"source": 5, "target": 6, "factor": 0.5})]
)  # fmt: skip
def test_the_last_weights_follow_the_edges_and_changed_weights_begin_anew(
    trained, code, parameters
):
    given, founder = trained
    settings = EvolutionSettings(steps_per_generation=0)
    editor = GenomeEditor(founder.genome)
    last = founder.optimizer_state.last_weights
    n_stored = founder.genome.n_stored
    last_editor = GenomeEditor(founder.genome.with_values(last[:n_stored], last[n_stored:]))
    operation = apply_operation(editor, code, parameters)
    apply_operation(last_editor, code, parameters)
    child = evaluate_individual(
        replace(given, evolution=settings),
        continued(founder, origin="child", first_step=0),
        [operation],
    )
    assert child.status == "ok"
    network = Phenotype(child.genome)
    goes_on = network.spread(np.ones((1, network.parameter_count)))[0] == 1
    if code == "C":  # column 6 is new
        column = np.append(child.genome.targets == 6, np.arange(child.genome.n_nodes) == 6)
        assert (goes_on & column).any()
        goes_on &= ~column
    expected = np.where(goes_on, numbers(last_editor.freeze()), numbers(child.genome))
    np.testing.assert_array_equal(child.optimizer_state.last_weights, expected)
    assert np.abs(child.optimizer_state.last_weights - numbers(child.genome)).max() > 1e-3


def test_a_duplicate_reuses_the_average_and_the_last_weights(task):
    letters = PolicySettings(name="weighted", operator_weights={"H": 1.0, "O": 1.0})
    settings = EvolutionSettings(population=6, generations=3, steps_per_generation=10)
    given = replace(task(policy=letters, **AVERAGE), evolution=settings)
    founders = create_founders(FounderSettings(hidden=3, density=0.5), 4, 2, n_founders=6, seed=0)
    evolution, state, reused = Evolution(given, founders), EvolutionState(), 0
    while not evolution.done(state):
        offspring = [evaluate_individual(given, job) for job in evolution.ask(state)]
        state, generation = evolution.tell(state, offspring)
        for child in generation.offspring:
            if child.reused_from is not None:
                again = evaluate_individual(given, replace(child.job, continued_parent=None))
                np.testing.assert_allclose(
                    child.optimizer_state.last_weights,
                    again.optimizer_state.last_weights,
                    atol=1e-5,
                )
                np.testing.assert_allclose(numbers(child.genome), numbers(again.genome), atol=1e-5)
                reused += 1
    assert reused >= 3


def test_the_last_weights_are_stored(trained, tmp_path):
    _, founder = trained
    save_individuals(tmp_path / "one.npz", [founder])
    (again,) = load_individuals(tmp_path / "one.npz")[0].values()
    np.testing.assert_array_equal(
        again.optimizer_state.last_weights, founder.optimizer_state.last_weights
    )
    assert again.genome.equals(founder.genome)
    strange = replace(founder.optimizer_state, last_weights=np.ones(3, np.float32))
    save_individuals(tmp_path / "other.npz", [replace(founder, optimizer_state=strange)])
    with pytest.raises(ResultsError, match=r"last_weights of shape \(3,\)"):
        load_individuals(tmp_path / "other.npz")
