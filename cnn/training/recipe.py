"""The training settings, and the batches and learning rates that follow from them.

Batches and learning rates depend only on the step index, not on the division of a run into phases.
"""

import functools
import math
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pydantic

from cnn.arrays import of_each
from cnn.augmentation import Augmentation
from cnn.checks import at_least, seed_sequence
from cnn.settings import Settings


class Recipe(Settings, frozen=True, extra="forbid"):
    """Training settings. Networks that are compared should share them."""

    optimizer: Literal["sgd", "momentum", "nesterov", "adam"] = pydantic.Field(
        default="momentum", description="Update rule of the parameters."
    )
    learning_rate: float = pydantic.Field(
        default=0.1,
        gt=0,
        allow_inf_nan=False,
        description="Learning rate at the first step, or at the first step after the warm-up.",
    )
    momentum: float = pydantic.Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Momentum; for Adam the decay rate of the first moment. SGD ignores it.",
    )
    weight_decay: float = pydantic.Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Decoupled weight decay λ: each step subtracts learning rate × λ × parameter. Momentum does not "
        "amplify it: beside momentum 0.9, 0.005 acts like l2 = 0.0005.",
    )
    l2: float = pydantic.Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Weight λ of an L2 penalty λ/2 × Σ parameter²: each step adds λ × parameter to the gradient, which "
        "enters the momentum. PyTorch calls it weight_decay. Losses and gradient norms in the tables leave it out.",
    )
    batch_size: int = pydantic.Field(default=32, ge=1, description="Samples per step.")
    schedule: Literal["constant", "step", "cosine", "linear"] = pydantic.Field(
        default="cosine",
        description="Learning rate over the run after the warm-up: constant, divided by 10 after 1/2 and after 3/4 of "
        "the steps, a half cosine down to 0, or a straight line down to 0.",
    )
    warm_up: float = pydantic.Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Warm-up: the learning rate rises in equal steps over this fraction of the steps, before the "
        "schedule begins. 0: no warm-up.",
    )
    gradient_clip: float | None = pydantic.Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Largest Euclidean norm of a gradient: larger gradients are scaled down to it. "
        "None disables clipping.",
    )
    label_smoothing: float = pydantic.Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Label smoothing ε of the training loss: the target is 1 − ε + ε/K for the class of a sample and "
        "ε/K for the others of K classes. Validation and test losses are those without smoothing.",
    )
    dropout: float = pydantic.Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Probability p with which a training step leaves out the output of a hidden neuron for a sample, "
        "drawn anew in every epoch. Outputs that are kept are divided by 1 − p. Inputs, outputs and feature maps are "
        "never dropped, and nothing is dropped in validation and test.",
    )
    average: Literal["none", "exponential", "tail"] = pydantic.Field(
        default="none",
        description="Average of the parameters over the steps, with which a network is validated, kept and tested. "
        "none: the last parameters; exponential: an exponential moving average; tail: the mean over the last steps. "
        "Training itself goes on with the parameters of the last step.",
    )
    average_decay: float = pydantic.Field(
        default=0.999,
        gt=0,
        lt=1,
        description="Decay of the exponential average per step; it reaches back about 1 / (1 − decay) steps.",
    )
    average_fraction: float = pydantic.Field(
        default=0.25,
        gt=0,
        le=1,
        description="Fraction of the steps, at the end of the run, over which the tail is averaged. Before them the "
        "network has the last parameters.",
    )
    augmentation: Augmentation = pydantic.Field(
        default=Augmentation(), description="Random changes of training images."
    )

    def with_setting(self, name: str, value: Any) -> Self:
        """Return a copy in which the setting with a dotted name has another value.

        Examples
        --------
        >>> Recipe().with_setting("augmentation.shift", 2).augmentation.shift
        2
        """
        for part in reversed(name.split(".")):
            value = {part: value}
        return self.model_copy(update=value)


def batch_indices(
    n_samples: int,
    batch_size: int,
    first_step: int,
    n_steps: int,
    order_seed: np.random.SeedSequence | int,
) -> npt.NDArray[np.intp]:
    """Return the samples of each step's batch.

    All epochs' permutations of the samples form one endless sequence. The batch of step s holds positions
    s·B … (s + 1)·B − 1 of this sequence, with B the batch size. A batch spans two epochs if n_samples is not a
    multiple of B. The permutation of epoch e has the seed `order_seed` with e appended to its spawn key.

    Parameters
    ----------
    n_samples, batch_size
        At least 1.
    first_step, n_steps
        The steps are first_step … first_step + n_steps − 1.
    order_seed
        Seed of the sample order: a SeedSequence (not changed) or an integer.

    Returns
    -------
    ndarray of intp, shape (n_steps, batch_size)
        Indices of the samples; read-only.

    Raises
    ------
    TypeError
        If a count is not an integer, or `order_seed` is neither a SeedSequence nor an integer.
    ValueError
        If a count is out of range.
    """
    at_least(1, n_samples=n_samples, batch_size=batch_size)
    at_least(0, first_step=first_step, n_steps=n_steps)
    order_seed = seed_sequence("order_seed", order_seed)
    entropy = order_seed.entropy
    return _cached_batch_indices(
        n_samples,
        batch_size,
        first_step,
        n_steps,
        entropy if entropy is None or isinstance(entropy, int) else tuple(entropy),
        order_seed.spawn_key,
    )


@functools.lru_cache(maxsize=8)
def _cached_batch_indices(
    n_samples: int,
    batch_size: int,
    first_step: int,
    n_steps: int,
    entropy: int | tuple[int, ...] | None,
    spawn_key: tuple[int, ...],
) -> npt.NDArray[np.intp]:
    """Return the batches of the steps; cached, because a whole population uses the same batches."""
    first, end = first_step * batch_size, (first_step + n_steps) * batch_size
    epochs = range(first // n_samples, -(-end // n_samples))
    parts = [_epoch_order(n_samples, epoch, entropy, spawn_key) for epoch in epochs]
    offset = first - epochs.start * n_samples
    stream = np.concatenate([np.empty(0, np.intp), *parts])
    order = stream[offset : offset + n_steps * batch_size].reshape(n_steps, batch_size)
    order.flags.writeable = False
    return order


def _epoch_order(
    n_samples: int,
    epoch: int,
    entropy: int | tuple[int, ...] | None,
    spawn_key: tuple[int, ...],
) -> npt.NDArray[np.intp]:
    """Return the permutation of one epoch."""
    seed = np.random.SeedSequence(entropy, spawn_key=(*spawn_key, epoch))
    return np.random.default_rng(seed).permutation(n_samples).astype(np.intp, copy=False)


def learning_rates(
    recipe: Recipe, first_step: int, n_steps: int, total_steps: int
) -> npt.NDArray[np.float64]:
    """Return the learning rate of each step.

    The first W = ⌈warm_up · total_steps⌉ steps have the rates η/(W + 1), 2η/(W + 1), …, Wη/(W + 1). The schedule spans
    the others. With p = (step − W) / (total_steps − W): ``"constant"`` η; ``"step"`` η, η/10 from p = 1/2 and η/100
    from p = 3/4; ``"cosine"`` ½ η (1 + cos π p); ``"linear"`` η (1 − p). The last two are close to 0 at the last step.

    Parameters
    ----------
    recipe
        Settings with the `learning_rate` η, the `schedule` and the `warm_up`.
    first_step, n_steps
        The steps are first_step … first_step + n_steps − 1.
    total_steps
        Length of the whole run in steps.

    Returns
    -------
    ndarray of float64, shape (n_steps,)
        Positive learning rates.

    Raises
    ------
    TypeError
        If a count is not an integer.
    ValueError
        If a step is not in 0 … total_steps − 1.
    """
    at_least(0, first_step=first_step, n_steps=n_steps)
    if first_step + n_steps > total_steps:
        raise ValueError(
            f"steps must end by total_steps = {total_steps}; got {first_step} + {n_steps}"
        )
    n_warm = math.ceil(recipe.warm_up * total_steps)
    after = np.arange(first_step - n_warm, first_step - n_warm + n_steps)
    progress = after / max(total_steps - n_warm, 1)
    if recipe.schedule == "constant":
        factor = np.ones(n_steps)
    elif recipe.schedule == "step":
        factor = np.where(progress < 0.5, 1.0, np.where(progress < 0.75, 0.1, 0.01))
    elif recipe.schedule == "linear":
        factor = 1.0 - progress
    else:
        factor = 0.5 * (1.0 + of_each(math.cos, np.pi * progress))
    factor = np.where(after < 0, (after + n_warm + 1) / (n_warm + 1), factor)
    rates: npt.NDArray[np.float64] = recipe.learning_rate * factor
    return rates


def average_shares(
    recipe: Recipe, first_step: int, n_steps: int, total_steps: int, updates_before: int
) -> npt.NDArray[np.float64]:
    """Return the share of the parameters in their average after each step: θ̄ ← θ̄ + share · (θ − θ̄).

    ``"exponential"``: after t updates θ̄ is Σ_s βᵗ⁻ˢ θ_s / Σ_s βᵗ⁻ˢ over the updates s = 1 … t, with β the
    `average_decay`; so the first parameters have no weight of their own. ``"tail"``: θ̄ is the mean over the last
    ⌈average_fraction · total_steps⌉ steps, as far as they are made; before, it is θ.

    Parameters
    ----------
    recipe
        Settings with the `average`.
    first_step, n_steps, total_steps
        As for `learning_rates`.
    updates_before
        Updates of this average before these steps; fewer than `first_step` if weights were drawn anew.

    Returns
    -------
    ndarray of float64, shape (n_steps,)
        In (0, 1].
    """
    updates = np.arange(updates_before + 1, updates_before + n_steps + 1)
    if recipe.average == "exponential":
        decay = recipe.average_decay
        shares = (1 - decay) / (1 - of_each(lambda t: decay**t, updates.astype(np.float64)))
    else:
        start = total_steps - math.ceil(recipe.average_fraction * total_steps)
        in_tail = np.arange(first_step, first_step + n_steps) - start + 1
        shares = 1.0 / np.clip(np.minimum(in_tail, updates), 1, None)
    return shares
