"""Initial weights, scaled such that signals keep their size from layer to layer."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cnn.arrays import Shape


def initial_weights(
    shape: Shape,
    fan_in: float,
    fan_out: float,
    scheme: Literal["glorot", "he"],
    *,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Draw weights uniformly from [−a, a].

    Parameters
    ----------
    shape
        Shape of the weights.
    fan_in, fan_out
        Number of weights into one node, and out of one node.
    scheme
        ``"glorot"``: a = √(6 / (fan_in + fan_out)), for tanh, sigmoid and identity (Glorot and
        Bengio 2010). ``"he"``: a = √(6 / fan_in), for rectifiers (He et al. 2015).
    rng
        Random generator.

    Returns
    -------
    ndarray of float64
        Weights of the given shape. The draws are float64, so they are the same for networks of either dtype.

    Raises
    ------
    ValueError
        If the scheme is unknown.
    """
    fans: dict[Any, float] = {"glorot": fan_in + fan_out, "he": fan_in}
    if scheme not in fans:
        raise ValueError(f"scheme must be 'glorot' or 'he'; got {scheme!r}")
    limit = np.sqrt(6.0 / fans[scheme])
    return rng.uniform(-limit, limit, shape)
