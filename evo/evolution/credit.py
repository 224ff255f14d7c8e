"""Which letters pay: credit for the fitness that children gained, and the shares that follow from it.

After every generation each child is compared with its parent *at equal training*: with the same parent trained on for
as many steps in the same generation where there is one (local search asks for it), else with the parent's fitness
plus what training alone brought in that generation (the median over those trained on, or over all children where
nobody was). A gain is max(0, child − parent), over the largest gain of the generation, so that early and late
generations count alike; a child that failed gained nothing. Each letter used on a child is credited with its gain.

The shares follow by probability matching (Thierens 2005): p = p_min + (1 − K·p_min)·q / Σq for K letters, where q is a
letter's mean credit. Not as published: credits come a generation at a time, so q is a mean whose weights decay from
generation to generation, and not one updated use by use; and it starts from the letters' weights in the settings, as
if they had been seen `PRIOR_USES` times.

Nothing of this is hidden state: shares are a function of the settings and of the table ``credits``.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evo.evolution.individual import Individual
from evo.policies.policies import PolicySettings

PRIOR_USES = 2.0
"""Uses that a letter's weight in the settings counts for, beside the uses that were judged."""


@dataclass(frozen=True)
class OperatorCredit:
    """What one letter did in one generation.

    Attributes
    ----------
    operator : str
        The letter.
    probability : float or None
        The probability with which it was drawn; None where the policy draws no letters.
    n_uses : int
        Children on which it was used and that could be compared with their parents.
    credit : float
        Sum over these of their gains, each from 0 to 1.
    """

    operator: str
    probability: float | None
    n_uses: int
    credit: float


def operator_probabilities(
    settings: PolicySettings, history: Iterable[Sequence[OperatorCredit]]
) -> dict[str, float]:
    """Return the probability of each letter in the generation that follows.

    Parameters
    ----------
    settings : PolicySettings
    history : iterable of sequence of OperatorCredit
        The finished generations, from the first.

    Returns
    -------
    dict
        By letter; of letters with a weight above 0. Empty if the policy draws no letters; constant unless it `learns`.
    """
    weights = settings.drawn_weights
    if not settings.learns or not weights:
        return _normalized(weights)
    uses, credit = dict.fromkeys(weights, 0.0), dict.fromkeys(weights, 0.0)
    for generation in history:
        told = {one.operator: one for one in generation}
        for code in weights:
            uses[code] *= settings.credit_decay
            credit[code] *= settings.credit_decay
            if code in told:
                uses[code] += told[code].n_uses
                credit[code] += told[code].credit
    worth = weights
    if sum(credit.values()) > 0:
        mean = sum(credit.values()) / sum(uses.values())
        prior = {code: len(weights) * mean * share for code, share in _normalized(weights).items()}
        worth = {
            code: (credit[code] + PRIOR_USES * prior[code]) / (uses[code] + PRIOR_USES)
            for code in weights
        }
    room = 1 - len(weights) * settings.min_probability
    return {
        code: settings.min_probability + room * share for code, share in _normalized(worth).items()
    }


def credit_operators(
    offspring: Sequence[Individual], parents: Sequence[Individual], shares: Mapping[str, float]
) -> tuple[OperatorCredit, ...]:
    """Credit the letters of one generation.

    Parameters
    ----------
    offspring : sequence of Individual
        All that came to be in it.
    parents : sequence of Individual
        The population that they came from.
    shares : mapping
        What :func:`operator_probabilities` said before it.

    Returns
    -------
    tuple of OperatorCredit
        One per letter that could be drawn or was used.
    """
    gains = _gains(offspring, parents)
    largest = max(gains.values(), default=0.0)
    uses, credit = dict.fromkeys(shares, 0), dict.fromkeys(shares, 0.0)
    for child in offspring:
        if child.job.individual not in gains:
            continue
        gain = gains[child.job.individual] / largest if largest > 0 else 0.0
        for code in dict.fromkeys(operation.operator for operation in child.operations):
            uses[code] = uses.get(code, 0) + 1
            credit[code] = credit.get(code, 0.0) + gain
    return tuple(OperatorCredit(code, shares.get(code), uses[code], credit[code]) for code in uses)


def _gains(offspring: Sequence[Individual], parents: Sequence[Individual]) -> dict[int, float]:
    """Return max(0, child − parent at equal training) of every modified child whose parent has a fitness."""
    before = {one.job.individual: one.fitness for one in parents if one.fitness is not None}
    trained_on: dict[int, float] = {}
    children: list[tuple[Individual, int]] = []
    for one in offspring:
        if one.job.generation == 0 or one.job.parents[0] not in before:
            continue
        parent = one.job.parents[0]
        if one.job.origin == "continued" and one.fitness is not None:
            trained_on[parent] = one.fitness
        elif one.job.origin == "child" and one.operations:
            children.append((one, parent))
    by_training = [fitness - before[parent] for parent, fitness in trained_on.items()] or [
        child.fitness - before[parent] for child, parent in children if child.fitness is not None
    ]
    effect = statistics.median(by_training) if by_training else 0.0
    gains = {}
    for child, parent in children:
        equal = trained_on.get(parent, before[parent] + effect)
        gains[child.job.individual] = (
            max(0.0, child.fitness - equal) if child.fitness is not None else 0.0
        )
    return gains


def _normalized(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {code: weight / total for code, weight in weights.items()}
