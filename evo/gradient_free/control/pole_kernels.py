"""Poles on a cart, in compiled code: Wieland's equations, integrated by the Runge–Kutta method of fourth order.

Any number of poles stands on one cart. A pole of mass m, whose centre is at the distance l from the hinge, falls by the
angle θ from the vertical; x is the place of the cart (Wieland 1991; Gomez and Miikkulainen 1997):

    ẍ = (F − μ_c sgn ẋ + Σ F̃ᵢ) / (M + Σ m̃ᵢ)        F̃ᵢ = mᵢ lᵢ θ̇ᵢ² sin θᵢ + ¾ mᵢ cos θᵢ (μ_p θ̇ᵢ / (mᵢ lᵢ) + g sin θᵢ)
    θ̈ᵢ = −¾ (ẍ cos θᵢ + g sin θᵢ + μ_p θ̇ᵢ / (mᵢ lᵢ)) / lᵢ        m̃ᵢ = mᵢ (1 − ¾ cos² θᵢ)        g = −9.8

A state is (x, ẋ, θ₁, θ̇₁, θ₂, θ̇₂, …) in metres, radians and seconds. An episode is (largest number of steps, state at
the start). One step is one action of the network, whose force is held for two steps of integration of 0.01 s each.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel
from evo.gradient_free.agent_kernels import Agent, Interface, act, create_agent
from evo.gradient_free.dense_kernels import Networks

State = NDArray[np.float64]

GRAVITY = -9.8
INTEGRATION_STEP = 0.01
INTEGRATION_STEPS = 2
MAX_FORCE = 10.0
TRACK = 2.4
"""Largest |x|; beyond it the cart leaves its track."""

WINDOW = 100
"""Steps over which the fitness without velocities looks back."""


class Cart(NamedTuple):
    """Masses in kg, half lengths in m and frictions of a cart and its poles.

    The friction of the cart is μ_c in N; that of a hinge is μ_p in N·m·s.
    """

    mass: float
    friction: float
    hinge_friction: float
    pole_masses: tuple[float, ...]
    half_lengths: tuple[float, ...]


SINGLE = Cart(1.0, 0.0005, 0.000002, (0.1,), (0.5,))
DOUBLE = Cart(1.0, 0.0005, 0.000002, (0.1, 0.01), (0.5, 0.05))
SINGLE_ANGLE = 12 * math.pi / 180
DOUBLE_ANGLE = 36 * math.pi / 180
"""Largest |θ| of a pole; beyond it the pole has fallen."""

SCALES = (4.8, 2.0, 0.52, 2.0, 0.52, 2.0)
"""Inputs are the variables of the state, each divided by its scale."""


@kernel
def write_derivative(cart: Cart, state: State, force: float, derivative: State) -> None:
    """Write the derivative of a state by time."""
    total_force, total_mass = force - cart.friction * np.sign(state[1]), cart.mass
    for k in range(len(cart.pole_masses)):
        m, length = cart.pole_masses[k], cart.half_lengths[k]
        angle, speed = state[2 + 2 * k], state[3 + 2 * k]
        sine, cosine = math.sin(angle), math.cos(angle)
        hinge = cart.hinge_friction * speed / (m * length) + GRAVITY * sine
        total_force += m * length * speed * speed * sine + 0.75 * m * cosine * hinge
        total_mass += m * (1.0 - 0.75 * cosine * cosine)
        derivative[2 + 2 * k], derivative[3 + 2 * k] = cosine, hinge  # for the second loop
    acceleration = total_force / total_mass
    derivative[0], derivative[1] = state[1], acceleration
    for k in range(len(cart.pole_masses)):
        cosine, hinge = derivative[2 + 2 * k], derivative[3 + 2 * k]
        derivative[2 + 2 * k] = state[3 + 2 * k]
        derivative[3 + 2 * k] = -0.75 * (acceleration * cosine + hinge) / cart.half_lengths[k]


@kernel
def integrate(cart: Cart, state: State, force: float, workspace: State) -> None:
    """Advance a state by one step of integration; the workspace has shape (5, length of the state)."""
    h, n = INTEGRATION_STEP, state.shape[0]
    between = workspace[4]
    write_derivative(cart, state, force, workspace[0])
    for stage in range(1, 4):
        share = h if stage == 3 else 0.5 * h
        for i in range(n):
            between[i] = state[i] + share * workspace[stage - 1, i]
        write_derivative(cart, between, force, workspace[stage])
    for i in range(n):
        slopes = workspace[0, i] + 2.0 * (workspace[1, i] + workspace[2, i]) + workspace[3, i]
        state[i] += h / 6.0 * slopes


@kernel
def balances(state: State, max_angle: float) -> Any:
    """Return whether the cart is on its track and no pole has fallen; a state that is not finite is neither."""
    upright = abs(state[0]) <= TRACK
    for i in range(2, state.shape[0], 2):
        upright &= abs(state[i]) <= max_angle
    return upright


@kernel
def force_of(outputs: Any) -> Any:
    """Return the force of a network's output, in N: the whole force at −1 and 1, and no more beyond."""
    return MAX_FORCE * min(max(np.float64(outputs[0]), -1.0), 1.0)


@allocating_kernel
def balance(
    cart: Cart, max_angle: float, agent: Agent, episode: State, sees_velocities: bool, swings: State
) -> Any:
    """Play an episode; return the number of steps in which the cart stayed on its track and no pole fell.

    Where `swings` has a length, its entry k mod length becomes |x| + |ẋ| + |θ₁| + |θ̇₁| after step k.
    """
    state, workspace = episode[1:].copy(), np.empty((5, episode.shape[0] - 1))
    stride = 1 if sees_velocities else 2
    steps, limit = 0, np.int64(episode[0])
    while steps < limit:
        for i in range(agent.inputs.shape[0]):
            agent.inputs[i] = np.float32(state[i * stride] / SCALES[i * stride])
        act(agent)
        force = force_of(agent.outputs)
        for _ in range(INTEGRATION_STEPS):
            integrate(cart, state, force, workspace)
        if not balances(state, max_angle):
            break
        if swings.shape[0] > 0:
            swings[steps % swings.shape[0]] = (
                abs(state[0]) + abs(state[1]) + abs(state[2]) + abs(state[3])
            )
        steps += 1
    return steps


@kernel
def gruau_fitness(steps: int, limit: float, swings: State) -> Any:
    """Return 0.1 · steps / limit + 0.9 · f₂; f₂ is 0.75 over the swings of the last 100 steps (Gruau et al. 1996)."""
    steady = 0.75 / swings.sum() if steps >= WINDOW else 0.0
    return 0.1 * steps / limit + 0.9 * steady


@allocating_kernel
def evaluate_poles(
    networks: Networks, interface: Interface, episodes: State, begin: int, end: int, scores: State
) -> None:
    """Write fitness and steps of some networks that see velocities: the steps of each episode.

    The length of an episode says whether one or two poles are on the cart.
    """
    nothing = np.empty(0)
    for p in range(begin, end):
        for e in range(episodes.shape[0]):
            agent, episode = create_agent(networks, p, interface), episodes[e]
            if episode.shape[0] == 1 + 4:
                scores[p, e] = balance(SINGLE, SINGLE_ANGLE, agent, episode, True, nothing)
            else:
                scores[p, e] = balance(DOUBLE, DOUBLE_ANGLE, agent, episode, True, nothing)


@allocating_kernel
def evaluate_poles_without_velocities(
    networks: Networks, interface: Interface, episodes: State, begin: int, end: int, scores: State
) -> None:
    """Write fitness, by Gruau, and steps of some networks on two poles whose velocities they do not see."""
    swings = np.zeros(WINDOW)
    for p in range(begin, end):
        for e in range(episodes.shape[0]):
            agent = create_agent(networks, p, interface)
            steps = balance(DOUBLE, DOUBLE_ANGLE, agent, episodes[e], False, swings)
            scores[p, e, 0] = gruau_fitness(steps, episodes[e, 0], swings)
            scores[p, e, 1] = steps
