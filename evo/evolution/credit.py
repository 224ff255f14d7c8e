"""Credit of operators: the fitness that their children gained, and the probabilities that follow from it.

After every generation each child is compared with its parent *at equal training*. If the parent was trained further in
the same generation (local search does this), the child is compared with that individual. Otherwise the child is
compared with the parent's fitness plus the median effect of training in the generation: the median over the parents
that were trained further, or over all children if there are none. A gain is max(0, child − parent), divided by the
largest gain of the generation, so that early and late generations count alike. A failed child has gained nothing. Each
operator that modified a child is credited with the child's gain.

The probabilities follow by probability matching (Thierens 2005): p = p_min + (1 − K·p_min)·q / Σq for K operators,
where q is an operator's mean credit. Two things are not as published. Credits arrive once a generation, so q is a mean
in which past generations count less and less. And q starts from the operators' weights in the settings, which count
like `PRIOR_USES` uses.

There is no hidden state: the probabilities are a function of the settings and of the table ``credits``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evo.evolution.individual import Individual
from evo.policies.policies import PolicySettings

PRIOR_USES = 2.0
"""Number of uses that an operator's weight in the settings counts for."""


@dataclass(frozen=True)
class OperatorCredit:
    """The credit of one operator in one generation.

    Attributes
    ----------
    operator : str
        Letter of the operator.
    probability : float or None
        Probability with which the policy drew the operator; None if the policy draws no operators.
    n_uses : int
        Number of children that it modified and that could be compared with their parents.
    credit : float
        Sum of the gains of these children, each from 0 to 1.
    """

    operator: str
    probability: float | None
    n_uses: int
    credit: float


@dataclass(frozen=True)
class CreditTotals:
    """The uses and credits of all finished generations, in which past generations count less and less.

    Attributes
    ----------
    uses, credit : mapping
        By letter of the operator.
    """

    uses: Mapping[str, float] = field(default_factory=dict)
    credit: Mapping[str, float] = field(default_factory=dict)

    def after(
        self, settings: PolicySettings, generation: Sequence[OperatorCredit]
    ) -> "CreditTotals":
        """Return the totals after one more generation."""
        told = {one.operator: one for one in generation}
        uses, credit = {}, {}
        for code in settings.drawn_weights:
            uses[code] = self.uses.get(code, 0.0) * settings.credit_decay
            credit[code] = self.credit.get(code, 0.0) * settings.credit_decay
            if code in told:
                uses[code] += told[code].n_uses
                credit[code] += told[code].credit
        return CreditTotals(uses, credit)

    def probabilities(self, settings: PolicySettings) -> dict[str, float]:
        """Return the probability of each operator in the next generation, see :func:`operator_probabilities`."""
        weights = settings.drawn_weights
        if not settings.learns or not weights:
            return _normalized(weights)
        uses, credit = (
            {code: of.get(code, 0.0) for code in weights} for of in (self.uses, self.credit)
        )
        worth = weights
        if sum(credit.values()) > 0:
            mean = sum(credit.values()) / sum(uses.values())
            prior = {
                code: len(weights) * mean * share for code, share in _normalized(weights).items()
            }
            worth = {
                code: (credit[code] + PRIOR_USES * prior[code]) / (uses[code] + PRIOR_USES)
                for code in weights
            }
        room = 1 - len(weights) * settings.min_probability
        return {
            code: settings.min_probability + room * share
            for code, share in _normalized(worth).items()
        }


def operator_probabilities(
    settings: PolicySettings, history: Iterable[Sequence[OperatorCredit]]
) -> dict[str, float]:
    """Return the probability of each operator in the next generation.

    Parameters
    ----------
    settings : PolicySettings
    history : iterable of sequence of OperatorCredit
        The credits of the finished generations, from the first.

    Returns
    -------
    dict
        Probability by letter, of operators with a weight above 0. Empty if the policy draws no operators; constant
        unless the policy `learns`.
    """
    totals = CreditTotals()
    for generation in history:
        totals = totals.after(settings, generation)
    return totals.probabilities(settings)


def credit_operators(
    offspring: Sequence[Individual],
    parents: Sequence[Individual],
    probabilities: Mapping[str, float],
) -> tuple[OperatorCredit, ...]:
    """Credit the operators of one generation.

    Parameters
    ----------
    offspring : sequence of Individual
        All individuals evaluated in the generation.
    parents : sequence of Individual
        The population before the generation.
    probabilities : mapping
        The :func:`operator_probabilities` before the generation.

    Returns
    -------
    tuple of OperatorCredit
        One per operator that could be drawn or was used.
    """
    gains = _gains(offspring, parents)
    largest = max(gains.values(), default=0.0)
    uses, credit = dict.fromkeys(probabilities, 0), dict.fromkeys(probabilities, 0.0)
    for child in offspring:
        if child.job.individual not in gains:
            continue
        gain = gains[child.job.individual] / largest if largest > 0 else 0.0
        for code in dict.fromkeys(operation.operator for operation in child.operations):
            uses[code] = uses.get(code, 0) + 1
            credit[code] = credit.get(code, 0.0) + gain
    return tuple(
        OperatorCredit(code, probabilities.get(code), uses[code], credit[code]) for code in uses
    )


def _gains(offspring: Sequence[Individual], parents: Sequence[Individual]) -> dict[int, float]:
    """Return max(0, child − parent at equal training) for every modified child whose parent has a fitness."""
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
    effect = float(np.median(by_training)) if by_training else 0.0
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
