"""The training settings, and the batches and learning rates that follow from them.

Batches and learning rates depend only on the step index, not on the division of a run into phases.
"""

import functools
import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import pydantic

from cnn.arrays import of_each
from cnn.checks import at_least, seed_sequence
from cnn.settings import Settings


class Recipe(Settings, frozen=True, extra="forbid"):
    """Training settings. Networks that are compared should share them."""

    optimizer: Literal["sgd", "momentum", "nesterov", "adam"] = pydantic.Field(
        default="momentum", description="Update rule of the parameters."
    )
    learning_rate: float = pydantic.Field(
        default=0.1, gt=0, allow_inf_nan=False, description="Learning rate at the first step."
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
        description="Decoupled weight decay λ: each step subtracts learning rate × λ × parameter.",
    )
    batch_size: int = pydantic.Field(default=32, ge=1, description="Samples per step.")
    schedule: Literal["constant", "step", "cosine"] = pydantic.Field(
        default="cosine",
        description="Learning rate over the run: constant, divided by 10 after 1/2 and after 3/4 of the "
        "steps, or a half cosine down to 0.",
    )
    gradient_clip: float | None = pydantic.Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Largest Euclidean norm of a gradient: larger gradients are scaled down to it. "
        "None disables clipping.",
    )


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

    With progress p = step / total_steps: ``"constant"`` η; ``"step"`` η, η/10 from p = 1/2 and η/100 from p = 3/4;
    ``"cosine"`` ½ η (1 + cos π p), close to 0 at the last step.

    Parameters
    ----------
    recipe
        Settings with the `learning_rate` η and the `schedule`.
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
    progress = np.arange(first_step, first_step + n_steps) / max(total_steps, 1)
    if recipe.schedule == "constant":
        factor = np.ones(n_steps)
    elif recipe.schedule == "step":
        factor = np.where(progress < 0.5, 1.0, np.where(progress < 0.75, 0.1, 0.01))
    else:
        factor = 0.5 * (1.0 + of_each(math.cos, np.pi * progress))
    rates: npt.NDArray[np.float64] = recipe.learning_rate * factor
    return rates
