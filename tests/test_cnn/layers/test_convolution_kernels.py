"""Stencils read the right pixels, and tiles of every shape, on every instruction set, add them up."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn.compile.tile_kernels import HEIGHTS
from cnn.layers.convolution import ConvolutionLayer, block_heights
from cnn.layers.kernels.stencil import backward_reads, forward_reads, plan_stencil


@given(st.integers(1, 200))
def test_blocks_cover_all_maps_with_heights_that_tiles_have(n_maps):
    heights = block_heights(n_maps)
    assert heights.sum() == n_maps
    assert set(heights) <= set(HEIGHTS)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4))
def test_backward_reads_are_forward_reads_the_other_way(size, kernel, stride, padding):
    wide = size + 2 * padding
    if kernel > wide:
        return
    size_out = (wide - kernel) // stride + 1
    forward = {
        (tap, source - padding, place)
        for place, reads in enumerate(forward_reads(size_out, kernel, stride))
        for tap, source in reads
        if 0 <= source - padding < size
    }
    backward = {
        (tap, source, place)
        for source, reads in enumerate(backward_reads(size, size_out, kernel, stride, padding))
        for tap, place in reads
    }
    assert backward == forward


def test_an_unpadded_convolution_is_one_run_a_row_and_one_pattern():
    stencil = plan_stencil(forward_reads(4, 3, 1), forward_reads(5, 3, 1), (2, 6, 7), (3, 3))
    np.testing.assert_array_equal(
        stencil.runs, [[0, 5, 0, 0, 18], [5, 5, 7, 0, 18], [10, 5, 14, 0, 18], [15, 5, 21, 0, 18]]
    )
    assert sorted(stencil.rows) == list(range(18))


def test_the_way_back_multiplies_no_margin():
    """5×5 on 14×14: 10·10·25 products a pair of maps, not 14·14·25."""
    reads = backward_reads(14, 10, 5, 1, 0)
    stencil = plan_stencil(reads, reads, (16, 10, 10), (5, 5))
    products = (stencil.runs[:, 1] * (stencil.runs[:, 4] - stencil.runs[:, 3])).sum()
    assert products == 16 * 10 * 10 * 25


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_maps", [1, 2, 3, 4, 5, 6, 8])
def test_the_batch_changes_no_bit_of_an_output(n_maps, dtype, rng):
    """Tiles of whatever width add the same numbers in the same order."""
    layer = ConvolutionLayer(n_maps, 3, "identity", padding=1).build(
        (2, 5, 7), rng=rng, dtype=dtype
    )
    x = rng.standard_normal((2, 5, 7, 130)).astype(dtype)
    whole = layer.output(x).copy()
    for begin, end in [(0, 1), (0, 7), (3, 20), (1, 34), (50, 115), (0, 128)]:
        part = layer.output(np.ascontiguousarray(x[..., begin:end]))
        np.testing.assert_array_equal(part, whole[..., begin:end])


CHECK = """
import numpy as np
from cnn import ConvolutionLayer
from cnn.compile.vector_kernels import REGISTERS
assert REGISTERS.vector_bytes == {vector_bytes}
rng = np.random.default_rng(0)
for n_maps, batch in [(1, 5), (2, 19), (4, 33), (9, 70)]:
    layer = ConvolutionLayer(n_maps, 3, "identity", padding=1).build((3, 5, 6), rng=rng)
    x = rng.standard_normal((3, 5, 6, batch)).astype("f4")
    wide = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = np.stack([wide[:, 2 - i : 7 - i, 2 - j : 8 - j] for i in range(3) for j in range(3)])
    kernels = layer.weights.reshape(n_maps, 3, 9)
    out = np.einsum("kct,tcyxb->kyxb", kernels, taps)
    np.testing.assert_allclose(layer.output(x), out, atol=1e-5)
    delta = rng.standard_normal(out.shape).astype("f4")
    layer.residual(delta)
    expected = np.einsum("tcyxb,kyxb->kct", taps, delta)
    gradient = layer.gradient[: expected.size].reshape(expected.shape)
    np.testing.assert_allclose(gradient, expected, atol=1e-3)
"""


LESSER = pytest.mark.parametrize(
    ("features", "vector_bytes"), [("", 16), ("+avx,+avx2,+fma", 32), ("+avx,+avx2", 32)]
)
ON_X86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="compiles for kinds of x86-64"
)


def run_on(features, cache, *arguments):
    """Run Python as if on another processor, with machine code of its own."""
    settings = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features}
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, **settings, "NUMBA_CACHE_DIR": str(cache)},
    )


@pytest.mark.slow
@ON_X86_64
@LESSER
def test_tiles_for_lesser_processors(features, vector_bytes, tmp_path):
    run_on(features, tmp_path, "-c", CHECK.format(vector_bytes=vector_bytes))


@pytest.mark.slow
@ON_X86_64
@LESSER
def test_emitted_loops_are_proven_on_lesser_processors(features, vector_bytes, tmp_path):
    proofs = [
        "tests/test_cnn/layers/test_convolution.py",
        "tests/test_cnn/models/test_network_gradients.py",
        "tests/test_evo/phenotype/test_formula.py",
    ]
    run_on(features, tmp_path, "-m", "pytest", "-q", "-m", "not slow", *proofs)
