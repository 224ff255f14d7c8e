"""The problems of memory, against their definitions."""

import re

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from evo.errors import SettingsError
from experiments import load_dataset
from experiments.datasets.generated_sequences import mackey_glass_series


def test_the_adding_problem_marks_a_number_in_each_half():
    dataset = load_dataset("adding-problem", n_samples=40, shortest=3, longest=9)
    sequences = dataset.inputs
    assert {*sequences.lengths.tolist()} == {*range(3, 10)}
    for start, length, total in zip(
        sequences.starts, sequences.lengths, dataset.targets[:, 0], strict=True
    ):
        numbers, marks = sequences.steps[start : start + length].T
        first, second = np.flatnonzero(marks)
        assert first < length // 2 <= second
        assert total == pytest.approx(numbers[first] + numbers[second], abs=1e-6)


@pytest.mark.parametrize("delay", [0, 3])
def test_delayed_xor_has_the_exclusive_or_of_earlier_bits_at_each_step(delay):
    dataset = load_dataset("delayed-xor", n_samples=20, shortest=6, longest=9, delay=delay)
    expected = []
    for k in range(20):
        bits = (dataset.inputs[[k]].steps[:, 0] > 0).astype(int)
        expected += [bits[t - delay] ^ bits[t - delay - 1] for t in range(delay + 1, len(bits))]
    assert dataset.targets.tolist() == expected


def test_the_series_of_mackey_and_glass_solves_their_equation():
    """SciPy solves it interval by interval of length τ, in which the delayed value is that of the interval before."""
    tau = 17
    before, x, found = lambda t: 1.2, 1.2, []
    for k in range(4):
        solved = solve_ivp(
            lambda t, x, past=before: 0.2 * past(t - tau) / (1 + past(t - tau) ** 10) - 0.1 * x,
            (k * tau, (k + 1) * tau),
            [x],
            dense_output=True,
            rtol=1e-10,
            atol=1e-12,
        )
        found += solved.sol(np.arange(k * tau, (k + 1) * tau))[0].tolist()
        before, x = (lambda t, sol=solved.sol: sol(t)[0]), solved.y[0, -1]
    np.testing.assert_allclose(mackey_glass_series(4 * tau, tau), found, rtol=0, atol=5e-5)


def test_windows_of_the_series_predict_its_values():
    dataset = load_dataset("mackey-glass", n_times=50, window=4, horizon=3)
    series = mackey_glass_series(350, 17)[300:]
    assert dataset.targets[:, 0].tolist() == series[6:].tolist()


@pytest.mark.parametrize("pixels", [1, 4, 8])
def test_digits_are_read_some_pixels_a_step(pixels):
    dataset, whole = (
        load_dataset("sequential-digits", pixels_per_step=pixels),
        load_dataset("digits"),
    )
    assert dataset.input_shape == (64 // pixels, pixels)
    np.testing.assert_array_equal(dataset.inputs.steps.reshape(-1, 8, 8), whole.inputs)
    assert dataset.classes == whole.classes


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adding-problem", {"shortest": 1}, "shortest must be at least 2; got 1"),
        ("adding-problem", {"longest": 9}, "longest must be at least 10; got 9"),
        ("delayed-xor", {"delay": -1}, "delay must be at least 0; got -1"),
        ("delayed-xor", {"shortest": 3}, "shortest must be at least 4; got 3"),
        ("mackey-glass", {"tau": 0}, "tau must be at least 1; got 0"),
        ("mackey-glass", {"window": 0}, "window must be at least 1; got 0"),
        ("sequential-digits", {"pixels_per_step": 5}, "pixels_per_step must divide 64; got 5"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    with pytest.raises(SettingsError, match=re.escape(f"data set {name!r}: {message}")):
        load_dataset(name, **options)
