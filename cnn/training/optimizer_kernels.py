"""Compiled optimizer steps on flat vectors, in place.

All kernels share one signature. θ is `parameters`, g the `gradient`, η the `rate` and λ the `weight_decay`. Weight
decay is *decoupled* (Loshchilov and Hutter 2019): each step also subtracts η λ θ, and λ does not enter the moments.
For plain SGD this equals an L2 penalty ½ λ ‖θ‖². `penalized` adds the gradient of an L2 penalty to g, so that it does
enter the moments.
"""

import math

import numpy as np

from cnn.arrays import FloatArray, FloatVector
from cnn.compile.compilation import allocating_kernel, kernel

ADAM_SECOND_MOMENT = 0.999
ADAM_EPSILON = 1e-8


@kernel
def sgd_step(
    parameters: FloatVector,
    gradient: FloatVector,
    moments: FloatArray,
    rate: float,
    step: int,
    momentum: float,
    weight_decay: float,
) -> None:
    """Gradient descent: θ ← θ − η g − η λ θ. No moments."""
    real = parameters.dtype.type
    eta, decay = real(rate), real(rate * weight_decay)
    for i in range(parameters.shape[0]):
        parameters[i] -= eta * gradient[i] + decay * parameters[i]


@kernel
def momentum_step(
    parameters: FloatVector,
    gradient: FloatVector,
    moments: FloatArray,
    rate: float,
    step: int,
    momentum: float,
    weight_decay: float,
) -> None:
    """Heavy ball: v ← μ v + g; θ ← θ − η v − η λ θ. One moment, v."""
    real = parameters.dtype.type
    eta, mu, decay = real(rate), real(momentum), real(rate * weight_decay)
    velocity = moments[0]
    for i in range(parameters.shape[0]):
        v = mu * velocity[i] + gradient[i]
        velocity[i] = v
        parameters[i] -= eta * v + decay * parameters[i]


@kernel
def nesterov_step(
    parameters: FloatVector,
    gradient: FloatVector,
    moments: FloatArray,
    rate: float,
    step: int,
    momentum: float,
    weight_decay: float,
) -> None:
    """Nesterov's momentum: v ← μ v + g; θ ← θ − η (g + μ v) − η λ θ. One moment, v."""
    real = parameters.dtype.type
    eta, mu, decay = real(rate), real(momentum), real(rate * weight_decay)
    velocity = moments[0]
    for i in range(parameters.shape[0]):
        v = mu * velocity[i] + gradient[i]
        velocity[i] = v
        parameters[i] -= eta * (gradient[i] + mu * v) + decay * parameters[i]


@kernel
def adam_step(
    parameters: FloatVector,
    gradient: FloatVector,
    moments: FloatArray,
    rate: float,
    step: int,
    momentum: float,
    weight_decay: float,
) -> None:
    """Adam (Kingma and Ba 2015) with β₁ = `momentum`, β₂ = 0.999, ε = 1e-8, bias-corrected.

    m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; m̂ = m / (1 − β₁ᵗ); v̂ = v / (1 − β₂ᵗ) with t =
    step + 1; θ ← θ − η m̂ / (√v̂ + ε) − η λ θ. Two moments, m and v.
    """
    real = parameters.dtype.type
    t = step + 1
    beta1, beta2 = real(momentum), real(ADAM_SECOND_MOMENT)
    rest1, rest2 = real(1.0 - momentum), real(1.0 - ADAM_SECOND_MOMENT)
    eta = real(rate / (1.0 - momentum**t))  # η m̂ = eta · m
    correction2 = real(1.0 / (1.0 - ADAM_SECOND_MOMENT**t))
    epsilon, decay = real(ADAM_EPSILON), real(rate * weight_decay)
    first, second = moments[0], moments[1]
    for i in range(parameters.shape[0]):
        g = gradient[i]
        m = beta1 * first[i] + rest1 * g
        v = beta2 * second[i] + rest2 * g * g
        first[i] = m
        second[i] = v
        parameters[i] -= eta * m / (math.sqrt(v * correction2) + epsilon) + decay * parameters[i]


@allocating_kernel
def penalized(gradient: FloatVector, parameters: FloatVector, l2: float) -> FloatVector:
    """Return a new vector: the gradient of the loss plus that of the L2 penalty ½ λ ‖θ‖², g + λ θ with λ = `l2`."""
    total, weight = np.empty_like(gradient), gradient.dtype.type(l2)
    for i in range(gradient.shape[0]):
        total[i] = gradient[i] + weight * parameters[i]
    return total


@kernel
def add_to_average(average: FloatVector, parameters: FloatVector, share: float) -> None:
    """Move an average towards the parameters: θ̄ ← θ̄ + share · (θ − θ̄). A share of 1 gives θ to the bit."""
    if share == 1.0:
        for i in range(average.shape[0]):
            average[i] = parameters[i]
        return
    weight = average.dtype.type(share)
    for i in range(average.shape[0]):
        average[i] += weight * (parameters[i] - average[i])
