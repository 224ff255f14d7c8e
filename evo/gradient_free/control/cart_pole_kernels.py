"""Gymnasium's CartPole-v1 in compiled code, equal to the bit: the same operations in the same order.

The equations are those of Barto, Sutton and Anderson (1983) without friction, integrated by Euler's method. An episode
is (largest number of steps, x, ẋ, θ, θ̇ at the start), and the action is that of the larger output: 0 pushes to the
left, 1 to the right.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel
from evo.gradient_free.agent_kernels import Agent, Interface, act, create_agent
from evo.gradient_free.dense_kernels import Networks

State = NDArray[np.float64]

GRAVITY, POLE_MASS, HALF_LENGTH, FORCE, STEP = 9.8, 0.1, 0.5, 10.0, 0.02
TOTAL_MASS = POLE_MASS + 1.0
MOMENT = POLE_MASS * HALF_LENGTH
MAX_ANGLE, TRACK = 12 * 2 * math.pi / 360, 2.4


@kernel
def push(state: State, action: int) -> Any:
    """Advance a state by one step; return whether the pole stands and the cart is on its track."""
    x, x_dot, theta, theta_dot = state[0], state[1], state[2], state[3]
    force = FORCE if action == 1 else -FORCE
    cosine, sine = math.cos(theta), math.sin(theta)
    temp = (force + MOMENT * (theta_dot * theta_dot) * sine) / TOTAL_MASS
    angular = (GRAVITY * sine - cosine * temp) / (
        HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cosine * cosine) / TOTAL_MASS)
    )
    linear = temp - MOMENT * angular * cosine / TOTAL_MASS
    state[0], state[1] = x + STEP * x_dot, x_dot + STEP * linear
    state[2], state[3] = theta + STEP * theta_dot, theta_dot + STEP * angular
    return abs(state[0]) <= TRACK and abs(state[2]) <= MAX_ANGLE


@allocating_kernel
def play_cart_pole(agent: Agent, episode: State) -> Any:
    """Play an episode; return the sum of rewards, 1 for each step, the last one included."""
    state = episode[1:].copy()
    steps, limit, stands = 0, np.int64(episode[0]), True
    while stands and steps < limit:
        for i in range(4):
            agent.inputs[i] = np.float32(state[i])
        act(agent)
        stands = push(state, 1 if agent.outputs[1] > agent.outputs[0] else 0)
        steps += 1
    return steps


@allocating_kernel
def evaluate_cart_pole(
    networks: Networks, interface: Interface, episodes: State, begin: int, end: int, scores: State
) -> None:
    """Write fitness and steps of some networks: the return of each episode."""
    for p in range(begin, end):
        for e in range(episodes.shape[0]):
            agent = create_agent(networks, p, interface)
            scores[p, e] = play_cart_pole(agent, episodes[e])
