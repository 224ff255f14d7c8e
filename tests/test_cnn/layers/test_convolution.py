"""Convolution against the document's formulas, written out with scipy.signal (S8, S12).

Layers are told everything through the public contract: `build`, the flat `parameters`, `output`,
`backpropagate` and the flat `gradient`. So these tests hold for any kernels underneath.
"""

import numpy as np
import pytest
import scipy.special
from effort import first_now, trials
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from cnn import functional
from cnn.layers.activations import ACTIVATIONS
from cnn.layers.convolution import ConvolutionLayer

IMAGE = (2, 7, 6)
SIZES = [1, 2, 3, 4, 5, (1, 3), (3, 1), (3, 2), (2, 5), (7, 6), (7, 1), (1, 6)]
STRIDES = [1, 2, 3, (1, 2), (3, 1), (2, 3)]
UNEVEN = [[0], [3, 0, 1], [2, 1], [3]]
"""A connection table with unequal numbers of inputs, for 4 input maps."""

BATCHES = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129]
"""Around the multiples of every width of vector registers: tails have loops of their own."""

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}
"""Largest error, as a share of the array's largest entry, or of 1 where that is smaller."""

PHI = {
    "identity": (lambda n: n, np.ones_like),
    "sigmoid": (scipy.special.expit, lambda o: o * (1 - o)),
    "tanh": (np.tanh, lambda o: 1 - o**2),
    "relu": (lambda n: np.maximum(n, 0), lambda o: (o > 0).astype(float)),
}


def rot180(x):
    return np.rot90(x, 2)


def pair(value):
    return (value, value) if isinstance(value, int) else value


def paddings(size):
    """List paddings from none to the largest, alike and unlike on both axes."""
    p, q = pair(size)
    return list(dict.fromkeys([(0, 0), (p // 2, q // 2), (p - 1, q - 1), (p - 1, 0), (0, q - 1)]))


def connected(layer, maps):
    """List (output map, input map, index of the kernel between them)."""
    table = layer.connections or [range(maps)] * layer.n_maps
    pairs = [(k, c) for k, seen in enumerate(table) for c in sorted(set(seen))]
    shared = layer.kernels == "shared"
    return [(k, c, k if shared else e) for e, (k, c) in enumerate(pairs)]


def by_the_formulas(layer, x, gradient):
    """Compute the output, ∂E/∂x and ∂E/∂(parameters), one map and one sample at a time.

    A stride s keeps every s-th row of the convolution with stride 1, so on the way back its
    residuals stand s rows apart with zeros between. Padding is a margin of zeros around the maps.
    """
    batch = x.shape[-1]
    (p, q), (above, left) = pair(layer.kernel_size), pair(layer.padding)
    apart = slice(None, None, pair(layer.stride)[0]), slice(None, None, pair(layer.stride)[1])
    kernels = layer.parameters[: -layer.n_maps].reshape(-1, p, q).astype(float)
    bias = layer.parameters[-layer.n_maps :].astype(float)
    wide = np.pad(x.astype(float), ((0, 0), (above, above), (left, left), (0, 0)))
    triples = connected(layer, len(x))

    net = np.zeros(gradient.shape) + bias[:, None, None, None]
    for k, c, e in triples:  # O_k = φ(Σ_c X_c *_v Θ_kc + b_k)
        for b in range(batch):
            net[k, ..., b] += convolve2d(wide[c, ..., b], kernels[e], "valid")[apart]
    function, slope = PHI[layer.activation]
    output = function(net)

    delta = gradient.astype(float) * slope(output)
    spread = np.zeros((len(delta), wide.shape[1] - p + 1, wide.shape[2] - q + 1, batch))
    spread[:, *apart] = delta
    by_kernels, by_wide = np.zeros_like(kernels), np.zeros_like(wide)
    for k, c, e in triples:
        for b in range(batch):
            residual = spread[k, ..., b]
            # ∂E/∂Θ = rot180(X *_v rot180(Δ)), ∂E/∂X = Δ *_f rot180(Θ)
            by_kernels[e] += rot180(convolve2d(wide[c, ..., b], rot180(residual), "valid"))
            by_wide[c, ..., b] += convolve2d(residual, rot180(kernels[e]), "full")
    by_x = by_wide[:, above : above + x.shape[1], left : left + x.shape[2]]
    return output, by_x, np.concatenate([by_kernels.ravel(), delta.sum(axis=(1, 2, 3))])


@pytest.fixture(scope="module")
def assert_equals_the_formulas(assert_close):
    def check(layer, batch, rng):
        """Give a built layer new parameters, run a random batch through it and back, and compare."""
        dtype = layer.parameters.dtype.type
        taps = np.prod(pair(layer.kernel_size)) * layer.input_shape[0]
        layer.parameters[...] = rng.normal(0, 1 / np.sqrt(taps), layer.parameters.shape)
        x = rng.normal(size=(*layer.input_shape, batch)).astype(dtype)
        gradient = rng.normal(size=(*layer.output_shape, batch)).astype(dtype)
        layer.gradient[...] = np.nan
        output = layer.output(x)
        by_x = layer.backpropagate(gradient)
        assert output.dtype == by_x.dtype == dtype
        expected_output, expected_by_x, expected_by_parameters = by_the_formulas(layer, x, gradient)
        assert_close(output, expected_output, TOLERANCE[dtype], 1)
        assert_close(by_x, expected_by_x, TOLERANCE[dtype], 1)
        assert_close(layer.gradient, expected_by_parameters, TOLERANCE[dtype], 1)

    return check


def assert_has_the_slopes(layer, rng, batch=2):
    """Compare with central differences along random directions in (x, parameters) together."""
    x = rng.normal(size=(*layer.input_shape, batch))
    direction = rng.normal(size=(*layer.output_shape, batch))
    layer.output(x)
    by_x, by_parameters = layer.backpropagate(direction).copy(), layer.gradient.copy()
    parameters = layer.parameters.copy()
    for _ in range(4):
        dx, dp = rng.normal(size=x.shape), rng.normal(size=parameters.shape)

        def loss(step, dx=dx, dp=dp):
            layer.parameters[...] = parameters + step * dp
            return np.sum(layer.output(x + step * dx) * direction)

        slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
        expected = np.sum(by_x * dx) + np.sum(by_parameters * dp)
        size = np.linalg.norm(by_x) + np.linalg.norm(by_parameters)
        assert slope == pytest.approx(expected, rel=1e-6, abs=1e-7 * (1 + size))


@pytest.mark.parametrize("kernels", ["per_map", "shared"])
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("size", SIZES)
def test_every_size_stride_and_padding_equals_the_formulas(
    size, stride, kernels, rng, assert_equals_the_formulas
):
    for padding in paddings(size):
        layer = ConvolutionLayer(3, size, "tanh", kernels, None, stride, padding)
        layer.build(IMAGE, rng=rng, dtype=np.float64)
        assert_equals_the_formulas(layer, 2, rng)
        assert_has_the_slopes(layer, rng)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
@pytest.mark.parametrize("size", [3, (5, 2)])
def test_every_batch_size_equals_the_formulas(size, stride, dtype, rng, assert_equals_the_formulas):
    """One layer sees them all, in disorder: no buffer may remember a larger batch."""
    for padding in paddings(size)[: trials(1, 3)]:
        layer = ConvolutionLayer(2, size, stride=stride, padding=padding)
        layer.build((1, 6, 7), rng=rng, dtype=dtype)
        for batch in rng.permutation(BATCHES):
            assert_equals_the_formulas(layer, int(batch), rng)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_maps", [*range(1, 10), 16, 17])
def test_every_number_of_maps_equals_the_formulas(n_maps, dtype, rng, assert_equals_the_formulas):
    for maps in trials([1, 5, 17], [*range(1, 10), 17]):
        for stride, padding in ((1, 0), (2, 1)):
            layer = ConvolutionLayer(n_maps, (2, 3), stride=stride, padding=padding)
            layer.build((maps, 3, 4), rng=rng, dtype=dtype)
            assert_equals_the_formulas(layer, int(rng.choice([1, 3])), rng)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_every_width_and_height_of_maps_equals_the_formulas(
    batch, dtype, rng, assert_equals_the_formulas
):
    for side in trials([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33], [*range(1, 20), 31, 32, 33]):
        for shape in ((1, 4, side), (1, side, 4)):
            size = tuple(min(3, pixels) for pixels in shape[1:])
            for stride, padding in ((1, 0), (1, tuple(s - 1 for s in size)), (2, 0)):
                layer = ConvolutionLayer(1, size, stride=stride, padding=padding)
                layer.build(shape, rng=rng, dtype=dtype)
                assert_equals_the_formulas(layer, batch, rng)


@pytest.mark.parametrize("stride", first_now([(2, 1), 1]))
@pytest.mark.parametrize("connections", [None, UNEVEN, [[1], [1], [1, 2]]])
@pytest.mark.parametrize("kernels", ["per_map", "shared"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_table_equals_the_formulas(
    activation, kernels, connections, stride, rng, assert_equals_the_formulas
):
    n_maps = 3 if connections is None else len(connections)
    for padding in (0, (1, 2)):
        layer = ConvolutionLayer(n_maps, (2, 3), activation, kernels, connections, stride, padding)
        layer.build((4, 5, 6), rng=rng, dtype=np.float64)
        for batch in (1, 7, 16, 33):
            assert_equals_the_formulas(layer, batch, rng)
        assert_has_the_slopes(layer, rng)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("shape", "n_maps", "size", "padding", "batch"),
    [
        ((1, 28, 28), 6, 5, 2, 3),  # LeNet-5
        ((6, 14, 14), 16, 5, 0, 3),
        ((3, 13, 12), 4, 3, 1, 5),  # RGB
        ((1, 4, 40), 1, 3, 0, 64),  # rows longer than any block of the kernels
        ((1, 3, 700), 2, (1, 9), (0, 4), 3),
        ((1, 5, 5), 3, 3, 1, 1100),
    ],
)
def test_real_sizes_equal_the_formulas(
    shape, n_maps, size, padding, batch, dtype, rng, assert_equals_the_formulas
):
    layer = ConvolutionLayer(n_maps, size, padding=padding).build(shape, rng=rng, dtype=dtype)
    assert_equals_the_formulas(layer, batch, rng)


@st.composite
def layers(draw):
    """Draw a convolution layer that fits, its input shape, a batch size and a dtype."""
    size = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    padding = tuple(draw(st.integers(0, side - 1)) for side in size)
    shape = tuple(
        draw(st.integers(max(1, side - 2 * margin), side + 6))
        for side, margin in zip(size, padding, strict=True)
    )
    maps, n_maps = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    seen = st.sets(st.integers(0, maps - 1), min_size=1)
    table = draw(st.none() | st.lists(seen.map(list), min_size=n_maps, max_size=n_maps))
    layer = ConvolutionLayer(
        n_maps,
        size,
        draw(
            st.sampled_from(["identity", "sigmoid", "tanh"])
        ),  # float32 may round past relu's kink
        draw(st.sampled_from(["per_map", "shared"])),
        table,
        (draw(st.integers(1, 4)), draw(st.integers(1, 4))),
        padding,
    )
    batch = draw(st.integers(1, 40))
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    return layer, (maps, *shape), batch, dtype


def assert_any_layer_equals_the_formulas(drawn, seed, assert_equals_the_formulas):
    layer, shape, batch, dtype = drawn
    rng = np.random.default_rng(seed)
    layer.build(shape, rng=rng, dtype=dtype)
    assert_equals_the_formulas(layer, batch, rng)
    assert_equals_the_formulas(layer, 1 + batch // 2, rng)


@given(drawn=layers(), seed=st.integers(0, 2**32 - 1))
def test_any_layer_equals_the_formulas(drawn, seed, assert_equals_the_formulas):
    assert_any_layer_equals_the_formulas(drawn, seed, assert_equals_the_formulas)


@pytest.mark.slow
@given(drawn=layers(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=3000)
def test_any_layer_equals_the_formulas_again_and_again(drawn, seed, assert_equals_the_formulas):
    assert_any_layer_equals_the_formulas(drawn, seed, assert_equals_the_formulas)


def test_a_shared_kernel_is_the_documents_formula_word_by_word(rng):
    """O_j = φ((Σ_i X_i) *_v Θ_j + b_j), ∂E/∂Θ_j = rot180((Σ_i X_i) *_v rot180(Δ_j)) (S8, S12)."""
    layer = ConvolutionLayer(2, 3, "sigmoid", kernels="shared")
    layer.build((3, 6, 5), rng=rng, dtype=np.float64)
    layer.bias[...] = rng.normal(size=2)
    x, gradient = rng.normal(size=(3, 6, 5, 1)), rng.normal(size=(2, 4, 3, 1))
    summed = x[..., 0].sum(axis=0)
    output = layer.output(x)[..., 0].copy()
    by_x = layer.backpropagate(gradient)[..., 0]
    delta = gradient[..., 0] * output * (1 - output)
    for j in range(2):
        net = convolve2d(summed, layer.weights[j], "valid") + layer.bias[j]
        np.testing.assert_allclose(output[j], scipy.special.expit(net))
        np.testing.assert_allclose(
            layer.gradient[9 * j : 9 * j + 9].reshape(3, 3),
            rot180(convolve2d(summed, rot180(delta[j]), "valid")),
        )
        assert layer.gradient[18 + j] == pytest.approx(delta[j].sum())
    back = sum(convolve2d(delta[j], rot180(layer.weights[j]), "full") for j in range(2))
    for c in range(3):
        np.testing.assert_allclose(by_x[c], back)


def test_a_layer_gives_what_conv2d_gives(rng):
    """`cnn.functional.conv2d` is the reader's version of the same operation (S7)."""
    layer = ConvolutionLayer(2, (3, 2), "identity").build((3, 6, 5), rng=rng, dtype=np.float64)
    x = rng.normal(size=(3, 6, 5, 4))
    output, kernels = layer.output(x), layer.weights.reshape(2, 3, 3, 2)
    for k in range(2):
        for b in range(4):
            expected = sum(functional.conv2d(x[c, ..., b], kernels[k, c]) for c in range(3))
            np.testing.assert_allclose(output[k, ..., b], expected, atol=1e-12)


def test_a_connection_table_is_full_connection_with_absent_kernels_at_zero(rng):
    table = [[1], [0, 2]]
    sparse = ConvolutionLayer(2, 2, connections=table).build((3, 4, 4), rng=rng, dtype=np.float64)
    full = ConvolutionLayer(2, 2).build((3, 4, 4), rng=rng, dtype=np.float64)
    kernels = np.zeros((2, 3, 2, 2))
    kernels[[0, 1, 1], [1, 0, 2]] = sparse.weights
    full.weights[...] = kernels.reshape(-1, 2, 2)
    x, gradient = rng.normal(size=(3, 4, 4, 5)), rng.normal(size=(2, 3, 3, 5))
    np.testing.assert_allclose(sparse.output(x), full.output(x))
    np.testing.assert_allclose(sparse.backpropagate(gradient), full.backpropagate(gradient))
    assert sparse.parameter_count == 3 * 4 + 2
    assert sparse.macs == 3 * 4 * 9


@pytest.mark.parametrize("kernels", ["per_map", "shared"])
@pytest.mark.parametrize("connections", [None, UNEVEN])
def test_parameters_and_multiplications_are_counted_for_strides_and_padding(connections, kernels):
    layer = ConvolutionLayer(4, (3, 2), "tanh", kernels, connections, (2, 3), (2, 1))
    layer.configure((4, 8, 9))
    assert layer.output_shape == (4, (8 + 4 - 3) // 2 + 1, (9 + 2 - 2) // 3 + 1)
    n_connections = 16 if connections is None else 7
    n_kernels = 4 if kernels == "shared" else n_connections
    assert layer.parameter_count == 6 * n_kernels + 4
    assert layer.macs == 6 * n_connections * 5 * 4


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_parameters_may_lie_anywhere_in_a_longer_vector(dtype, rng, assert_equals_the_formulas):
    """In a network they do, on no particular boundary of memory."""
    for start in range(1, 9):
        layer = ConvolutionLayer(3, 3, padding=1)
        layer.configure((2, 5, 5))
        count = layer.parameter_count
        vectors = rng.normal(size=(2, count + 20)).astype(dtype)
        copies = vectors.copy()
        part = slice(start, start + count)
        layer.attach(vectors[0, part], vectors[1, part])
        assert_equals_the_formulas(layer, 9, rng)
        vectors[:, part] = copies[:, part]
        np.testing.assert_array_equal(vectors, copies)  # nothing beside them was written


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 2), (2, 1)])
def test_a_nan_reaches_what_sees_it_and_nothing_else(stride, padding, dtype, rng):
    """So no kernel reads beyond its rows, not even to multiply by 0."""
    layer = ConvolutionLayer(3, 3, "identity", stride=stride, padding=padding)
    layer.build((2, 7, 7), rng=rng, dtype=dtype)
    x = rng.normal(size=(2, 7, 7, 17)).astype(dtype)
    marked = np.zeros((2, 7, 7, 17))
    x[1, 3, 6, 16], marked[1, 3, 6, 16] = np.nan, 1
    ones = ConvolutionLayer(3, 3, "identity", stride=stride, padding=padding)
    ones.build((2, 7, 7), rng=rng, dtype=np.float64).weights[...] = 1
    np.testing.assert_array_equal(np.isnan(layer.output(x)), ones.output(marked) > 0.5)

    gradient = np.zeros((*layer.output_shape, 17), dtype)
    gradient[2, 1, 2, 3] = np.nan
    ones.backpropagate(np.zeros((*ones.output_shape, 17)))
    seen = ones.backpropagate(np.isnan(gradient).astype(float)) > 0.5
    np.testing.assert_array_equal(np.isnan(layer.backpropagate(gradient)), seen)


def within_nan(array, start):
    """Copy an array to a place of a larger one that is NaN everywhere else."""
    surrounded = np.full(array.size + 300, np.nan, array.dtype)
    copy = surrounded[start : start + array.size]
    copy[...] = array.reshape(-1)
    return copy.reshape(array.shape)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 0)])
def test_what_lies_beside_the_given_arrays_has_no_effect(stride, padding, dtype, rng):
    for size in (1, 3, (2, 5)):
        layer = ConvolutionLayer(3, size, stride=stride, padding=min(padding, pair(size)[0] - 1))
        layer.build((2, 5, 6), rng=rng, dtype=dtype)
        for batch in (1, 3, 8, 17):
            x = rng.normal(size=(2, 5, 6, batch)).astype(dtype)
            gradient = rng.normal(size=(*layer.output_shape, batch)).astype(dtype)
            expected = layer.output(x).copy(), layer.backpropagate(gradient).copy()
            by_parameters = layer.gradient.copy()
            start = int(rng.integers(100, 117))
            output = layer.output(within_nan(x, start)).copy()
            by_x = layer.backpropagate(within_nan(gradient, start))
            np.testing.assert_array_equal(output, expected[0])
            np.testing.assert_array_equal(by_x, expected[1])
            np.testing.assert_array_equal(layer.gradient, by_parameters)
