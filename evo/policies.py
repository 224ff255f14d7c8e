"""Policies: who decides which operators a modify phase applies, and with which parameters.

A policy works on an open draft and returns the operations it applied, in order. Known methods are policies made of
the operators' letters - SET is A then N at random, RigL is A then N by gradient - and so stand as controls in the
same tables. A new policy is one function and one registry entry.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field, field_validator

from evo.draft import Draft
from evo.operators import (
    OPERATORS,
    Operation,
    OperatorSettings,
    Proposing,
    apply_operation,
    gradient_edges,
    random_edges,
    threshold_at_quantile,
)


class PolicySettings(BaseModel, frozen=True, extra="forbid"):
    """How a modify phase chooses."""

    name: Literal["mixed", "letters", "set", "rigl", "none"] = Field(
        "mixed",
        description="mixed: prune-and-regrow or letters; letters: operators by weight; set, rigl: as published; none",
    )
    weights: dict[str, float] = Field(
        default_factory=lambda: dict.fromkeys(OPERATORS, 1.0) | {"N": 2.0},
        description="relative frequency of each operator where letters are drawn",
    )
    max_operations: int = Field(
        2, ge=1, description="letters: a modify phase applies 1 to this many operators"
    )
    rewiring: float = Field(
        0.7, ge=0, le=1, description="mixed: share of modify phases that prune and regrow"
    )
    rewired_share: float = Field(
        0.15,
        gt=0,
        lt=1,
        description="prune and regrow: share of the stored entries, fading as a cosine",
    )
    gradient_share: float = Field(
        0.7, ge=0, le=1, description="mixed: share of regrowth that follows the gradient"
    )
    operators: OperatorSettings = OperatorSettings()

    @field_validator("weights")
    @classmethod
    def _letters_known(cls, weights: dict[str, float]) -> dict[str, float]:
        for code, weight in weights.items():
            if code not in OPERATORS:
                raise ValueError(f"operator must be one of {', '.join(OPERATORS)}; got {code!r}")
            if not 0 <= weight < math.inf:
                raise ValueError(f"weight of {code} must be finite and not negative; got {weight}")
        if sum(weights.values()) <= 0:
            raise ValueError("at least one operator must have a weight above 0")
        return weights


Policy = Callable[[Draft, Proposing, PolicySettings], list[Operation]]


def leave_alone(draft: Draft, proposing: Proposing, settings: PolicySettings) -> list[Operation]:
    """Change nothing: the train-only control."""
    return []


def draw_letters(draft: Draft, proposing: Proposing, settings: PolicySettings) -> list[Operation]:
    """Apply a few operators drawn by weight; one that finds nothing to change is left out of the draw."""
    operations = []
    for _ in range(int(proposing.rng.integers(1, settings.max_operations + 1))):
        weights = {code: weight for code, weight in settings.weights.items() if weight > 0}
        while weights:
            total = sum(weights.values())
            shares = [weight / total for weight in weights.values()]
            code = str(proposing.rng.choice(list(weights), p=shares))
            parameters = OPERATORS[code].propose(draft, proposing)
            if parameters is not None:
                operations.append(apply_operation(draft, code, parameters))
                break
            del weights[code]
    return operations


def rewire_randomly(
    draft: Draft, proposing: Proposing, settings: PolicySettings
) -> list[Operation]:
    """Drop the weakest weights and grow as many at random (SET, Mocanu et al. 2018)."""
    return _prune_and_regrow(draft, proposing, settings, random_edges)


def rewire_by_gradient(
    draft: Draft, proposing: Proposing, settings: PolicySettings
) -> list[Operation]:
    """Drop the weakest weights and grow as many where the gradient is largest (RigL, Evci et al. 2020)."""
    return _prune_and_regrow(draft, proposing, settings, gradient_edges)


def mix(draft: Draft, proposing: Proposing, settings: PolicySettings) -> list[Operation]:
    """Mostly prune and regrow, mostly by gradient; now and then draw letters."""
    rng = proposing.rng
    if rng.random() >= settings.rewiring:
        return draw_letters(draft, proposing, settings)
    if rng.random() < settings.gradient_share:
        return rewire_by_gradient(draft, proposing, settings)
    return rewire_randomly(draft, proposing, settings)


def freeze_topology(draft: Draft) -> list[Operation]:
    """Forget what sleeps and let every remaining entry through, so that training alone no longer changes the graph."""
    if draft.limit is None:
        return []
    limit = draft.limit.tolist() if isinstance(draft.limit, np.ndarray) else draft.limit
    forget = apply_operation(draft, "A", {"limit": limit, "drop": True})
    return [forget, apply_operation(draft, "A", {"limit": None, "drop": False})]


def _prune_and_regrow(
    draft: Draft,
    proposing: Proposing,
    settings: PolicySettings,
    grow: Callable[[Draft, int, Proposing], dict[str, object] | None],
) -> list[Operation]:
    fading = 0.5 * (1 + math.cos(math.pi * proposing.progress))
    share = settings.rewired_share * fading
    stored = draft.n_stored
    operations = []
    if stored and share > 0:
        parameters = threshold_at_quantile(draft, share, drop=True)
        if parameters is not None:
            operations.append(apply_operation(draft, "A", parameters))
    n_dropped = stored - draft.n_stored
    if n_dropped:
        grown = grow(draft, n_dropped, proposing)
        if grown is not None:
            operations.append(apply_operation(draft, "N", grown))
    return operations


POLICIES: Mapping[str, Policy] = {
    "mixed": mix,
    "letters": draw_letters,
    "set": rewire_randomly,
    "rigl": rewire_by_gradient,
    "none": leave_alone,
}
