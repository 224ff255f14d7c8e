"""What a worker is sent and what it sends back: all of it arrives, and nothing travels twice."""

import pickle
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from evo import Evolution, EvolutionSettings, EvolutionState, FounderSettings, create_founders
from evo.evolution.individual import failed_individual
from evo.executors import SerialExecutor, evaluate_all
from evo.executors.parcels import (
    parent_of,
    with_job,
    with_parents,
    without_job,
    without_parents,
)


def parts(value):
    """Return an object of ours as values that can be compared."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tolist()
    if isinstance(value, tuple | list):
        return [parts(one) for one in value]
    if is_dataclass(value):
        return {part.name: parts(getattr(value, part.name)) for part in fields(value)}
    return value


@pytest.fixture
def offspring(task):
    """Return the individuals of two generations: continued, modified and failed."""
    founders = create_founders(FounderSettings(hidden=8), 4, 2, n_founders=4, seed=0)
    settings = EvolutionSettings(population=4, generations=1, steps_per_generation=5)
    evolution = Evolution(replace(task(), evolution=settings), founders)
    state, found = EvolutionState(), []
    with SerialExecutor() as executor:
        while not evolution.done(state):
            found.append(list(evaluate_all(executor, evolution.task, evolution.ask(state))))
            state, _ = evolution.tell(state, found[-1])
    return [*found[0], *found[1], failed_individual(found[1][0].job, "no reason")]


def travelled(value):
    return pickle.loads(pickle.dumps(value, protocol=5))


def test_jobs_arrive_as_they_were_sent(offspring):
    jobs = [one.job for one in offspring]
    parents = list({id(job.genome): parent_of(job) for job in jobs}.values())
    arrived = with_parents(*travelled((without_parents(jobs, parents), parents)))
    assert [parts(job) for job in arrived] == [parts(job) for job in jobs]
    siblings = [job for job in arrived if job.parents == arrived[-1].parents]
    assert len(siblings) > 1
    assert len({id(job.genome) for job in siblings}) == 1


def test_individuals_arrive_as_they_were_sent(offspring):
    assert {one.job.origin for one in offspring} == {"founder", "continued", "child"}
    for one in offspring:
        arrived = with_job(travelled(without_job(one)), one.job)
        assert parts(arrived) == parts(one)
        assert arrived.job is one.job


def test_an_answer_holds_nothing_that_the_driver_has(offspring):
    failed, continued = (
        offspring[-1],
        next(one for one in offspring if one.job.origin == "continued"),
    )
    assert not {"job", "genome", "optimizer_state"} & set(without_job(failed))
    assert without_job(continued)["genome"] == (continued.genome.values, continued.genome.bias)
    arrived = with_job(without_job(continued), continued.job)
    assert arrived.genome.indices is continued.job.genome.indices


def test_the_bytes_of_a_parent_are_those_of_its_arrays(offspring):
    parent = parent_of(offspring[-1].job)
    genome, state = parent
    of_genome = [getattr(genome, part.name) for part in fields(genome)]
    arrays = [one for one in of_genome if isinstance(one, np.ndarray)]
    assert parent.nbytes == sum(one.nbytes for one in arrays) + state.moments.nbytes
    assert parent_of(offspring[0].job).nbytes < parent.nbytes
