"""Poles on a cart, beside SciPy's integrator on equations in another form, and beside a plain program of the task."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from evo import Genome, NeuroevolutionSettings, neuroevolve, replay
from evo.gradient_free import CompiledTask
from evo.gradient_free.control import (
    COMPILED_TASKS,
    count_generalisation,
    double_pole,
    double_pole_without_velocities,
    generalisation_episodes,
    single_pole,
)
from evo.gradient_free.control import pole_kernels as poles

G = 9.8


def accelerations(cart, state, force):
    """Return ẍ and all θ̈ from the equations of Lagrange: a mass matrix, and forces, of rods on a cart."""
    m, length = np.array(cart.pole_masses), np.array(cart.half_lengths)
    angle, speed = state[2::2], state[3::2]
    mass = np.diag([cart.mass + m.sum(), *(4 / 3 * m * length**2)])
    mass[0, 1:] = mass[1:, 0] = m * length * np.cos(angle)
    right = np.empty(1 + len(m))
    right[0] = (
        force - cart.friction * np.sign(state[1]) + (m * length * speed**2 * np.sin(angle)).sum()
    )
    right[1:] = m * G * length * np.sin(angle) - cart.hinge_friction * speed
    return np.linalg.solve(mass, right)


def derivative(cart, state, force):
    result = np.empty_like(state)
    result[0::2], result[1::2] = state[1::2], accelerations(cart, state, force)
    return result


def energy(cart, state):
    """Return the kinetic and the potential energy together, in J."""
    m, length = np.array(cart.pole_masses), np.array(cart.half_lengths)
    angle, speed, cart_speed = state[2::2], state[3::2], state[1]
    poles_move = m * (
        cart_speed**2 / 2
        + length * cart_speed * speed * np.cos(angle)
        + 2 / 3 * length**2 * speed**2
    )
    return cart.mass * cart_speed**2 / 2 + poles_move.sum() + (m * G * length * np.cos(angle)).sum()


def after(cart, state, forces):
    """Return the state after one step of integration with each force."""
    state, workspace = state.copy(), np.empty((5, len(state)))
    for force in forces:
        poles.integrate(cart, state, force, workspace)
    return state


CARTS = pytest.mark.parametrize("cart", [poles.SINGLE, poles.DOUBLE], ids=["single", "double"])


@CARTS
def test_accelerations_are_those_of_the_equations_of_lagrange(cart):
    rng = np.random.default_rng(0)
    for _ in range(50):
        state, force = rng.normal(size=2 + 2 * len(cart.pole_masses)), rng.uniform(-10, 10)
        found = np.empty_like(state)
        poles.write_derivative(cart, state, force, found)
        np.testing.assert_allclose(found, derivative(cart, state, force), rtol=1e-9, atol=1e-9)


@CARTS
@pytest.mark.parametrize(("n_steps", "tolerance"), [(100, 2e-3), (1, 1e-6)])
def test_motion_is_that_of_an_integrator_of_high_order(cart, n_steps, tolerance):
    rng = np.random.default_rng(1)
    for _ in range(5):
        start = rng.uniform(-0.3, 0.3, 2 + 2 * len(cart.pole_masses))
        start[1] = 2.0  # the cart does not turn, where the friction would jump
        exact = solve_ivp(
            lambda t, y: derivative(cart, y, 1.0),
            (0, 0.01 * n_steps),
            start,
            method="DOP853",
            rtol=1e-11,
            atol=1e-12,
        )
        found = after(cart, start, [1.0] * n_steps)
        np.testing.assert_allclose(found, exact.y[:, -1], atol=tolerance)


@CARTS
def test_without_friction_and_force_energy_and_momentum_stay(cart):
    free = cart._replace(friction=0.0, hinge_friction=0.0)
    rng = np.random.default_rng(2)
    for _ in range(5):
        start = rng.normal(size=2 + 2 * len(cart.pole_masses))
        end = after(free, start, [0.0] * 100)
        assert not np.allclose(start[2:], end[2:], atol=0.1)
        assert energy(free, end) == pytest.approx(energy(free, start), abs=1e-4)
        m, length = np.array(cart.pole_masses), np.array(cart.half_lengths)
        momentum = [
            (cart.mass + m.sum()) * s[1] + (m * length * s[3::2] * np.cos(s[2::2])).sum()
            for s in (start, end)
        ]
        assert momentum[1] == pytest.approx(momentum[0], abs=1e-4)


def test_friction_takes_energy():
    start = np.array([0.0, 1.0, 0.5, 1.0, 0.2, 0.5])
    for friction in ({"friction": 0.01}, {"hinge_friction": 1e-4}):
        rough = poles.DOUBLE._replace(**{"friction": 0.0, "hinge_friction": 0.0, **friction})
        assert energy(rough, after(rough, start, [0.0] * 50)) < energy(rough, start) - 1e-4


# -- tasks -------------------------------------------------------------------------------------------------------------


def played_plainly(cart, max_angle, genome, episode, *, every):
    """Return the steps of a feed-forward network without hidden nodes, and its swings after each step."""
    limit, state, swings = int(episode[0]), np.array(episode[1:]), []
    weights = genome.to_dense()[:-1, -1].astype(float)
    bias = float(genome.bias[-1])
    scales = np.array([4.8, 2.0, 0.52, 2.0, 0.52, 2.0])[: len(state)]
    for _ in range(limit):
        force = 10 * np.tanh((state / scales)[::every] @ weights + bias)
        for _ in range(2):
            h, k = 0.01, [derivative(cart, state, force)]
            for share in (h / 2, h / 2, h):
                k.append(derivative(cart, state + share * k[-1], force))
            state = state + h / 6 * (k[0] + 2 * k[1] + 2 * k[2] + k[3])
        if abs(state[0]) > 2.4 or (np.abs(state[2::2]) > max_angle).any():
            break
        swings.append(np.abs(state[:4]).sum())
    return len(swings), swings


def linear_genome(rng, n_inputs):
    """Return a network without hidden nodes that pushes against the fall, more or less."""
    matrix = np.zeros((n_inputs + 1, n_inputs + 1), np.float32)
    matrix[:-1, -1] = rng.uniform(0, 2, n_inputs)
    return Genome.from_matrix(
        matrix, n_inputs=n_inputs, n_outputs=1, activation="tanh", output_activation="tanh"
    )


@pytest.mark.parametrize(
    ("task", "cart", "max_angle", "every"),
    [
        (single_pole(), poles.SINGLE, np.pi / 15, 1),
        (double_pole(), poles.DOUBLE, np.pi / 5, 1),
        (double_pole_without_velocities(), poles.DOUBLE, np.pi / 5, 2),
    ],
)
def test_steps_and_fitness_are_those_of_a_plain_program(task, cart, max_angle, every):
    rng, seen = np.random.default_rng(3), set()
    for _ in range(8):
        genome = linear_genome(rng, task.n_inputs)
        episode = task.draw_episodes(rng)[0]
        episode[0] = 200
        steps, swings = played_plainly(cart, max_angle, genome, episode, every=every)
        seen.add(steps)
        fitness = float(steps)
        if every == 2:
            steady = 0.75 / sum(swings[-100:]) if steps >= 100 else 0.0
            fitness = 0.1 * steps / 200 + 0.9 * steady
        scores = task.play(genome, [episode, episode])
        np.testing.assert_allclose(scores, [[fitness, steps]] * 2, rtol=1e-5)
    assert len(seen) > 4


def test_the_test_of_generalisation_has_the_published_starts():
    episodes = generalisation_episodes()
    assert episodes.shape == (625, 7)
    assert len(np.unique(episodes, axis=0)) == 625
    assert (episodes[:, 0] == 1000).all()
    assert not episodes[:, 5:].any()
    for column, low in ((1, -2.16), (2, -1.35), (3, -0.06283152), (4, -0.15009752)):
        ends = low * 0.9, low * 0.5, 0.0, -low * 0.5, -low * 0.9
        np.testing.assert_allclose(np.unique(episodes[:, column]), ends, atol=1e-12)


def test_a_solution_without_velocities_balances_long_and_from_many_starts():
    settings = NeuroevolutionSettings(output_activation="tanh", memory=True, generations=100)
    task = double_pole_without_velocities()
    result = neuroevolve(task, settings, seed=1000)
    assert result.solved
    assert result.winner_fitness == result.table["best_fitness"].max()
    assert result.play([[100_000, 0, 0, 0.07, 0, 0, 0]])[0, 1] == 100_000
    assert count_generalisation(result.play) >= 200
    same = task.play(result.winner, task.draw_episodes(np.random.default_rng(0)), memory=True)
    assert same[0].tolist() == [result.winner_fitness, result.table["best_steps"].iloc[-1]]
    genome, ancestors = result.lineage()
    for ancestor in ancestors:
        genome = replay(ancestor.record, genome)
    assert genome.equals(result.winner)


def test_a_network_that_balances_but_does_not_generalise_has_not_solved_the_task():
    task = double_pole_without_velocities()

    def plays(n_starts):
        def play(episodes):
            scores = np.zeros((len(episodes), 2))
            scores[:n_starts, 1] = episodes[:n_starts, 0]
            return scores

        return play

    assert [task.passes(plays(n)) for n in (0, 199, 200)] == [False, False, True]


@pytest.mark.parametrize("name", COMPILED_TASKS)
def test_every_task_runs_by_its_name(name):
    task = COMPILED_TASKS[name]()
    assert isinstance(task, CompiledTask)
    settings = NeuroevolutionSettings(population=20, generations=3, output_activation="tanh")
    result = neuroevolve(task, settings, seed=0)
    assert len(result.winner.inputs) == task.n_inputs
    assert result.table["best_steps"].iloc[-1] >= 1
