"""The topology of a genome with weights drawn anew."""

import numpy as np
import pytest

from evo import FounderSettings, Genome, create_founders
from evo.initial.fresh import with_fresh_weights


def founder(**settings):
    (drawn,) = create_founders(
        FounderSettings(**settings), 200, 10, n_founders=1, seed=0, map_size=8
    )
    return drawn


@pytest.mark.parametrize(("activation", "gain"), [("tanh", 1.0), ("relu", 2.0)])
def test_weights_have_the_variance_of_founders_and_biases_are_0(activation, gain):
    genome = founder(hidden=100, density=0.4, activation=activation)
    fresh = with_fresh_weights(genome, rng=np.random.default_rng(1))
    degrees = np.repeat(np.diff(genome.indptr), np.diff(genome.indptr))
    assert np.var(fresh.values * np.sqrt(degrees)) == pytest.approx(gain, rel=0.05)
    assert not fresh.bias.any()
    assert np.array_equal(fresh.indices, genome.indices)
    assert np.abs(np.corrcoef(fresh.values, genome.values)[0, 1]) < 0.05


@pytest.mark.parametrize("maps", [False, True])
def test_dormant_entries_are_left_out_and_active_ones_stay_where_they_are(maps):
    genome = (
        founder(graph="maps", layers=[[4, 3], [1, 6]], kernel=3, densities=[0.3, 0.3, 0.5],
                stored_per_edge=2)
        if maps else founder(hidden=20, active_fraction=0.5)
    )  # fmt: skip
    mask = genome.active_mask()
    assert 0 < mask.sum() < genome.n_stored
    fresh = with_fresh_weights(genome, rng=np.random.default_rng(0))
    assert fresh.threshold is None
    assert np.array_equal(fresh.rows, genome.rows[mask])
    assert np.array_equal(fresh.targets, genome.targets[mask])


def test_the_dtype_stays():
    genome = Genome.from_matrix(np.triu(np.ones((4, 4)), 1), n_inputs=2, n_outputs=1)
    assert with_fresh_weights(genome, rng=np.random.default_rng(0)).values.dtype == np.float64
