"""A CNN as a matrix of kernels: the same outputs and gradients, and back again to the same layers."""

import re
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
    lenet1,
    lenet5,
    mlp,
    small_cnn,
)
from cnn.models.presets import LECUN_C3
from evo import (
    OPERATORS,
    Genome,
    GenomeEditor,
    Phenotype,
    Predictor,
    Role,
    load_graph,
    load_network,
    replay,
    save_graph,
)
from evo.exchange.layered_networks import from_cnn, to_cnn
from evo.genome.activations import activation_code
from evo.genome.feature_maps import kernel_side
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation


def seeded():
    return np.random.default_rng(0)


def of_layers(*layers, shape=(1, 8, 8), loss="cross_entropy", dtype=np.float64):
    return Network(list(layers), shape, loss, rng=seeded(), dtype=dtype)


def same_size(maps, kernel, **given):
    return ConvolutionLayer(maps, kernel, padding=kernel // 2, **given)


def flat():
    """Return what ends a network: rasterisation and an output layer."""
    return RasterizationLayer(), SoftmaxLayer(3)


NETWORKS = {
    "LeNet-5": lambda: lenet5(rng=seeded(), dtype=np.float64),
    "LeNet-5, LeCun's C3": lambda: lenet5(rng=seeded(), connections=LECUN_C3, dtype=np.float64),
    "LeNet-5 on colours": lambda: lenet5((3, 32, 32), 4, rng=seeded(), dtype=np.float64),
    "LeNet-5 on values": lambda: lenet5(rng=seeded(), loss="squared_error", dtype=np.float64),
    "LeNet-1, means": lambda: lenet1(rng=seeded(), pooling="mean", dtype=np.float64),
    "small": lambda: small_cnn((9, 9), 4, rng=seeded(), kernel=2, dtype=np.float64),
    "float32": lambda: small_cnn((8, 8), 4, rng=seeded(), activation="relu"),
    "perceptron": lambda: mlp(5, (4, 3), 2, rng=seeded(), activation="sigmoid", dtype=np.float64),
    "linear": lambda: mlp(5, (), 2, rng=seeded(), dtype=np.float64),
    "no convolution": lambda: of_layers(RasterizationLayer(), HiddenLayer(4), SoftmaxLayer(3)),
    "deep": lambda: of_layers(
        same_size(3, 3),
        same_size(4, 3, connections=[[0], [1, 2], [2], [0, 2]], activation="relu"),
        PoolingLayer("mean"),
        same_size(2, 3),
        ConvolutionLayer(3, 3),
        RasterizationLayer(),
        HiddenLayer(4, "sigmoid"),
        SoftmaxLayer(3),
        shape=(2, 8, 8),
    ),
    "odd sides": lambda: of_layers(
        PoolingLayer(border="drop"),
        same_size(2, 3),
        PoolingLayer(border="drop"),
        *flat(),
        shape=(1, 11, 11),
    ),
    "LeNet-1, trainable": lambda: lenet1(rng=seeded(), dtype=np.float64),
    "LeNet-5, trainable": lambda: lenet5(rng=seeded(), pooling="trainable", dtype=np.float64),
    "LeNet-5, means": lambda: lenet5(rng=seeded(), pooling="mean", dtype=np.float64),
    "1 × 1 kernels": lambda: of_layers(
        ConvolutionLayer(3, 1), PoolingLayer(), ConvolutionLayer(2, 1), PoolingLayer(), *flat()
    ),
    "kernels of several sides": lambda: of_layers(
        *(same_size(3, 3), same_size(2, 5), same_size(2, 1), PoolingLayer()),
        *(same_size(3, 3), ConvolutionLayer(2, 2), *flat()),
    ),
    "oblong kernels": lambda: of_layers(
        ConvolutionLayer(2, (3, 1), padding=(1, 0)),
        ConvolutionLayer(3, (1, 5), padding=(0, 2)),
        PoolingLayer(),
        *flat(),
    ),
    "pooled first": lambda: of_layers(
        *(PoolingLayer("trainable"), same_size(2, 3), PoolingLayer("mean"), *flat()),
        shape=(3, 12, 12),
    ),
    "not pooled": lambda: of_layers(
        ConvolutionLayer(2, 3), same_size(2, 3), *flat(), shape=(1, 28, 28)
    ),
    "no image at the end": lambda: of_layers(
        *(
            ConvolutionLayer(4, 3),
            PoolingLayer(),
            ConvolutionLayer(3, 3, connections=[[0, 1], [1, 2], [3]]),
        ),
        *(RasterizationLayer(), HiddenLayer(4, "relu"), HiddenLayer(5), SoftmaxLayer(3)),
    ),
    "colours": lambda: small_cnn((3, 10, 10), 4, rng=seeded(), dtype=np.float64),
    "even kernels": lambda: small_cnn((27, 27), 4, rng=seeded(), kernel=4, dtype=np.float64),
    "pooled twice": lambda: of_layers(same_size(2, 3), PoolingLayer(), PoolingLayer(), *flat()),
}


@pytest.fixture(params=NETWORKS, scope="module")
def network(request):
    made = NETWORKS[request.param]()
    made.parameters[:] = seeded().normal(size=len(made.parameters)) / 4  # biases too
    return made


def test_the_matrix_computes_and_learns_what_the_layers_do(network):
    loss = network.loss_function
    genome = from_cnn(network)
    samples = seeded().normal(size=(3, *network.input_shape)).astype(network.dtype)
    expected = network.output(samples)
    tolerance = 1e-9 if network.dtype == np.float64 else 1e-4
    compiled = Phenotype(genome, loss.name)
    np.testing.assert_allclose(compiled.output(samples), expected, rtol=tolerance, atol=tolerance)
    targets = np.arange(3) % 2 if loss.target_kind == "classes" else np.ones_like(expected)
    _, gradient = network.loss_and_gradients(samples, targets)
    value, found = compiled.loss_and_gradients(samples, targets)
    assert value == pytest.approx(network.loss(samples, targets), rel=tolerance)
    of_entries = compiled.spread(found[None])[0]
    values, bias = np.split(of_entries, [genome.n_stored])
    as_layers = to_cnn(genome.with_values(values, bias), loss.name).parameters
    np.testing.assert_allclose(as_layers, gradient, rtol=tolerance, atol=tolerance)


def test_there_and_back_nothing_is_lost(network):
    genome = from_cnn(network)
    again = to_cnn(genome, network.loss_function.name)
    assert again.dtype == network.dtype
    assert np.array_equal(again.parameters, network.parameters)
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in network.layers]
    assert [layer.output_shape for layer in again.layers] == [
        layer.output_shape for layer in network.layers
    ]
    samples = seeded().normal(size=(4, *again.input_shape)).astype(network.dtype)
    expected = network.output(samples.reshape(4, *network.input_shape))
    assert np.array_equal(again.output(samples), expected)
    assert from_cnn(again).equals(genome)


def test_every_number_of_the_network_is_one_of_the_genome(network):
    genome = from_cnn(network)
    computed = genome.roles != Role.INPUT
    assert genome.n_stored + computed.sum() == network.parameter_count
    assert genome.effective_mask().all()
    assert (genome.map_sizes[genome.targets].astype(int) ** 2).sum() == network.macs
    assert not np.shares_memory(genome.values, network.parameters)
    assert genome.n_features == np.prod(network.input_shape)


def test_lenet_5_is_the_matrix_that_is_expected():
    genome = from_cnn(lenet5(rng=seeded()))
    map_sizes, counts = np.unique(genome.map_sizes, return_counts=True)
    assert dict(zip(map_sizes.tolist(), counts.tolist(), strict=True)) == {28: 7, 10: 16, 1: 214}
    assert (genome.n_nodes, genome.n_stored, genome.n_features) == (237, 61_470, 784)
    assert (genome.roles != Role.INPUT).sum() == 236
    assert (genome.map_sizes[genome.targets].astype(int) ** 2).sum() == 416_520
    assert (genome.kernel, genome.downsampling, genome.rows_per_node) == (5, "max", 225)
    assert genome.strengths().nnz == 6 + 6 * 16 + 16 * 120 + 120 * 84 + 84 * 10
    wired = from_cnn(lenet5(rng=seeded(), connections=LECUN_C3))
    assert wired.n_stored == 61_470 - 25 * (96 - 60)
    assert wired.strengths().nnz == genome.strengths().nnz - 36


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [PoolingLayer("gaussian"), *flat()],
            r"^layer 1 \(PoolingLayer\) must pool by max or mean, or be trainable; got gaussian$",
        ),
        (
            [PoolingLayer(max_gradient="copy"), *flat()],
            r"^layer 1 \(PoolingLayer\) must send gradients to the maximum; got copy$",
        ),
        (
            [ConvolutionLayer(2, 2), PoolingLayer(), *flat()],
            r"^layer 2 \(PoolingLayer\) must drop the border of maps of 7×7 pixels; got pad$",
        ),
        (
            [PoolingLayer(), PoolingLayer("mean"), *flat()],
            r"^network must pool by one method; got max, mean$",
        ),
        (
            [ConvolutionLayer(2, (3, 1)), *flat()],
            r"^layer 1 \(ConvolutionLayer\) must make square maps; got 6×8 by kernels of 3×1 with padding 0×0$",
        ),
        (
            [ConvolutionLayer(2, 3, padding=(1, 0)), *flat()],
            r"^layer 1 \(ConvolutionLayer\) must make square maps; got 8×6 by kernels of 3×3 with padding 1×0$",
        ),
        (
            [ConvolutionLayer(2, 2, stride=2), *flat()],
            r"^layer 1 \(ConvolutionLayer\) must have stride 1; got 2$",
        ),
        (
            [ConvolutionLayer(2, 2, stride=(1, 3)), *flat()],
            r"^layer 1 \(ConvolutionLayer\) must have stride 1; got \(1, 3\)$",
        ),
        (
            [same_size(2, 3), ConvolutionLayer(2, 3, kernels="shared"), *flat()],
            r"^layer 2 \(ConvolutionLayer\) must have one kernel per pair of maps, since weights of a genome are not "
            r"tied; got shared$",
        ),
        (
            [ConvolutionLayer(2, 3, padding=2), *flat()],
            r"^layer 1 \(ConvolutionLayer\) must not make maps larger; got 10×10 from 8×8 by kernels of 3×3 with "
            r"padding 2×2$",
        ),
        (
            [ConvolutionLayer(2, 5, padding=1), *flat()],
            r"^layer 1 \(ConvolutionLayer\) must have no padding, or keep the size of maps; got kernels of 5×5 with "
            r"padding 1×1$",
        ),
        (
            [PoolingLayer(), PoolingLayer(), same_size(2, 5), *flat()],
            r"^layer 3 \(ConvolutionLayer\) must have kernels at most 3 pixels wide for maps of 2×2; got 5×5$",
        ),
        (
            [PoolingLayer(), PoolingLayer(), same_size(2, 3), *flat()],
            r"^layer 3 \(ConvolutionLayer\) must not have kernels so wide that a genome reads the maps of 8×8 with "
            r"less pooling; got 3×3 on 2×2$",
        ),
        (
            [RasterizationLayer(), SoftmaxLayer(2, implied_other=True)],
            r"^layer 2 \(SoftmaxLayer\) must have one node per class; got implied_other = True$",
        ),
    ],
)
def test_a_network_that_is_no_matrix_of_kernels_is_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        from_cnn(of_layers(*layers))


@pytest.mark.parametrize(
    "layers",
    [
        [RasterizationLayer()],
        [ConvolutionLayer(2, 3), RasterizationLayer()],
        [ConvolutionLayer(2, 7), PoolingLayer(), RasterizationLayer()],
    ],
)
def test_outputs_must_be_nodes(layers):
    network = of_layers(*layers, loss="squared_error")
    with pytest.raises(ValueError, match=r"^network must end in a layer of neurons; got "):
        from_cnn(network)


def test_images_that_are_not_square_are_refused_unless_only_their_pixels_are_read():
    network = of_layers(ConvolutionLayer(2, 3), *flat(), shape=(1, 8, 9))
    with pytest.raises(
        ValueError, match=r"^layer 1 \(ConvolutionLayer\) must read square images; got 8×9$"
    ):
        from_cnn(network)
    network = of_layers(RasterizationLayer(), HiddenLayer(4), SoftmaxLayer(3), shape=(2, 4, 3))
    again = to_cnn(from_cnn(network))
    assert np.array_equal(again.parameters, network.parameters)
    samples = seeded().normal(size=(5, 2, 4, 3))
    assert np.array_equal(again.output(samples.reshape(5, -1)), network.output(samples))


def test_a_kernel_keeps_its_own_side():
    genome = from_cnn(small_cnn((28, 28), 10, rng=seeded()))
    assert genome.kernel == ((1, 13), (26, 3))
    assert [kernel_side(genome.kernel, size) for size in (28, 26, 13, 1)] == [3, 3, 3, 13]
    unpooled = from_cnn(of_layers(same_size(2, 3), *flat(), shape=(1, 28, 28)))
    assert unpooled.kernel == ((1, 29), (28, 3))
    assert (
        from_cnn(of_layers(same_size(2, 3), same_size(2, 5), PoolingLayer(), *flat())).kernel == 5
    )


def test_kernels_of_several_sides_survive_files_graphs_and_operators(tmp_path):
    genome = from_cnn(small_cnn((12, 12), 3, rng=seeded()))
    assert isinstance(genome.kernel, tuple)
    Predictor(genome, loss="cross_entropy").save(tmp_path / "saved.npz")
    assert load_network(tmp_path / "saved.npz").genome.equals(genome)
    for name in ("graph.graphml", "graph.json"):
        save_graph(genome, tmp_path / name)
        assert load_graph(tmp_path / name).equals(genome)
    inputs = seeded().normal(size=(3, 144)).astype(np.float32)
    for code, operator in OPERATORS.items():
        editor = GenomeEditor(genome)
        context = ProposalContext(np.random.default_rng(0), OperatorSettings())
        parameters = operator.propose(editor, context)
        if parameters is None:
            continue
        operation = apply_operation(editor, code, parameters)
        child = editor.freeze()
        assert child.kernel == genome.kernel
        assert np.isfinite(Phenotype(child).output(inputs)).all()
        assert replay([operation], genome).equals(child)


@pytest.mark.parametrize(
    "kernel", [(), ((1, 3), (1, 5)), ((3, 3), (1, 5)), ((1, 2),), (3,), ((1, (3,)),)]
)
def test_sides_of_kernels_are_odd_and_in_the_order_of_map_sizes(kernel):
    genome = from_cnn(small_cnn((8, 8), 3, rng=seeded()))
    with pytest.raises(
        ValueError, match=r"^kernel must be an odd integer of at least 1, or one per "
    ):
        replace(genome, kernel=kernel)


def test_shared_kernels_of_a_single_map_are_ordinary_kernels():
    network = of_layers(ConvolutionLayer(3, 3, kernels="shared"), PoolingLayer(), *flat())
    again = to_cnn(from_cnn(network))
    assert again.layers[0].kernels == "per_map"
    assert np.array_equal(again.parameters, network.parameters)
    samples = seeded().normal(size=(5, 1, 8, 8))
    assert np.array_equal(again.output(samples), network.output(samples))


def test_layers_of_one_map_size_that_need_different_sides_are_named():
    layers = [PoolingLayer(), ConvolutionLayer(2, 3, padding=1), same_size(2, 7), PoolingLayer()]
    with pytest.raises(
        ValueError,
        match=r"^layer 3 \(ConvolutionLayer\) must read maps by kernels of a side that suits the other layers of its "
        r"map size; got 4 → 4, which needs from 7 to 255$",
    ):
        from_cnn(of_layers(*layers, *flat()))


@st.composite
def stacks(draw):
    """Draw a network of any layers that fit each other, whether a genome can say them or not."""
    rng, size, maps = seeded(), draw(st.integers(5, 14)), draw(st.integers(1, 2))
    layers, shape = [], (maps, size, size)
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.integers(0, 2)) == 0:
            methods = [*["max"] * 3, *["mean"] * 4, *["trainable"] * 3, "gaussian"]
            borders = [*["drop"] * 7, "pad"]
            layer = PoolingLayer(draw(st.sampled_from(methods)), draw(st.sampled_from(borders)))
        else:
            sides = st.sampled_from([1, 2, 3, 3, 3, 5])
            side = draw(sides)
            kernel = draw(st.sampled_from([(side, side)] * 4 + [(side, draw(sides))]))
            margins = tuple((k - 1) // 2 for k in kernel)
            layer = ConvolutionLayer(
                draw(st.integers(1, 3)),
                kernel,
                draw(st.sampled_from(["tanh", "relu", "identity"])),
                padding=draw(st.sampled_from([*[0] * 4, *[margins] * 8, 1])),
                stride=draw(st.sampled_from([*[1] * 14, 2])),
                kernels=draw(st.sampled_from([*["per_map"] * 9, "shared"])),
            )
        try:
            layer.configure(shape)
        except ValueError:
            continue
        layers, shape = [*layers, layer], layer.output_shape
    hidden = [HiddenLayer(3)] if draw(st.booleans()) else []
    network = Network(
        [*layers, RasterizationLayer(), *hidden, SoftmaxLayer(2)],
        (maps, size, size),
        rng=rng,
        dtype=np.float64,
    )
    network.parameters[:] = rng.normal(size=len(network.parameters)) / 4
    return network


@given(stacks())
def test_any_network_is_converted_exactly_there_and_back_or_a_layer_is_named(network):
    try:
        genome = from_cnn(network)
    except ValueError as error:
        reason = str(error)
    else:
        reason = None
    if reason is not None:
        assert re.fullmatch(r"(layer \d+ \(\w+\)|network) must .*", reason)
        return
    samples = seeded().normal(size=(3, *network.input_shape))
    expected = network.output(samples)
    np.testing.assert_allclose(Phenotype(genome).output(samples), expected, rtol=1e-9, atol=1e-9)
    again = to_cnn(genome)
    if [type(one) for one in again.layers] == [type(one) for one in network.layers]:
        assert np.array_equal(again.parameters, network.parameters)
    else:  # one pixel is one node: a map of one pixel comes back as a node of a dense layer
        assert any(one.output_shape[1:] == (1, 1) for one in network.layers)
    np.testing.assert_allclose(again.output(samples), expected, rtol=1e-9, atol=1e-9)
    assert from_cnn(again).equals(genome)


def test_a_layer_without_counterpart_is_named():
    class OwnLayer(RasterizationLayer):
        pass

    network = of_layers(OwnLayer(), SoftmaxLayer(3))
    assert from_cnn(network).n_nodes == 4
    network = of_layers(RasterizationLayer(), SoftmaxLayer(3))
    network.layers = (*network.layers[1:], *network.layers[1:])
    with pytest.raises(ValueError, match=r"^layer 1 \(SoftmaxLayer\) must be a convolution, "):
        from_cnn(network)


# -- from a genome to a CNN --------------------------------------------------------------------------------------------


@pytest.fixture
def lenet():
    return from_cnn(
        of_layers(
            *(same_size(2, 3), PoolingLayer(), same_size(2, 3), PoolingLayer(), *flat()),
            shape=(2, 8, 8),
        )
    )


def without(genome, dropped):
    """Return a genome without some of its entries."""
    kept = np.ones(genome.n_stored, bool)
    kept[dropped] = False
    return replace(
        genome,
        indptr=np.concatenate([[0], np.cumsum(kept)])[genome.indptr],
        indices=genome.indices[kept],
        values=genome.values[kept],
        taps=genome.taps[kept],
    )


def test_dormant_entries_are_left_out(lenet):
    values = lenet.values.copy()
    values[lenet.indices == 0] = 0.01
    large = np.where(np.abs(values) < 0.1, np.copysign(0.2, values), values)
    is_dormant = (lenet.indices == 0) & (lenet.targets == 2)
    dormant = replace(lenet, values=np.where(is_dormant, 0.01, large), threshold=0.1)
    again = to_cnn(dormant)
    assert again.layers[0].connections == [[1], [0, 1]]
    assert from_cnn(again).equals(without(replace(dormant, threshold=None), is_dormant))


def test_what_is_no_network_of_layers_is_refused():
    with pytest.raises(TypeError, match=r"^network must be a cnn.Network; got None$"):
        from_cnn(None)


def swapped(genome, name, one, other):
    """Exchange what two nodes have of some part."""
    part = getattr(genome, name).copy()
    part[[one, other]] = part[[other, one]]
    return replace(genome, **{name: part})


REFUSED = {
    "ticks": (
        lambda genome: replace(genome, ticks=2),
        r"^ticks must be 1 in a CNN; got 2$",
    ),
    "inputs last": (
        lambda genome: swapped(genome, "ids", 0, 1),
        r"^inputs must be the first nodes, in their order; got array\(\[1, 0\]\)$",
    ),
    "outputs in another order": (
        lambda genome: swapped(genome, "ids", -1, -2),
        r"^outputs must be the last layer, in their order; got \[",
    ),
    "part of a kernel": (
        lambda genome: without(genome, 3),
        r"^node 2 must have kernels of 9 active taps; got 8$",
    ),
    "a node without in-edges": (
        lambda genome: without(genome, genome.targets == 3),
        r"^node 3 must have in-edges from the layer before only; got \[\]$",
    ),
    "a node has another activation": (
        lambda genome: replace(
            genome, activations=np.where(np.arange(9) == 5, 1, genome.activations).astype(np.uint8)
        ),
        r"^node 5 must have the activation of its layer, tanh; got sigmoid$",
    ),
    "an activation of no layer": (
        lambda genome: replace(genome, activations=np.full(9, activation_code("gelu"), np.uint8)),
        r"^node 2 must have an activation of cnn; got gelu$",
    ),
    "outputs that are no scores": (
        lambda genome: replace(genome, activations=np.full(9, activation_code("tanh"), np.uint8)),
        r"^outputs must have the activation identity; got tanh$",
    ),
    "an output without some in-edges": (
        lambda genome: without(genome, (genome.targets == 7) & (genome.indices == 4)),
        r"^node 7 must have in-edges from all \d nodes of the layer before; got \d$",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_a_graph_that_is_no_cnn_is_refused(lenet, change, message):
    with pytest.raises(ValueError, match=message):
        to_cnn(change(lenet))


def test_a_loss_that_does_not_exist_is_refused(lenet):
    with pytest.raises(ValueError, match=r"^loss must be one of .*; got 'hinge'$"):
        to_cnn(lenet, "hinge")


@pytest.mark.parametrize(
    ("matrix", "node"),
    [
        ([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 0]], 2),  # a later node
        ([[0, 1, 1, 0], [0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], 1),  # itself
        ([[0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], 3),  # the input too
    ],
)
def test_an_edge_that_does_not_lead_to_the_next_layer_is_refused(matrix, node):
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1)
    with pytest.raises(
        ValueError, match=f"^node {node} must have in-edges from the layer before only; got "
    ):
        to_cnn(genome)


def test_inputs_must_have_one_map_size():
    network = of_layers(RasterizationLayer(), SoftmaxLayer(3), shape=(2, 1, 1))
    genome = from_cnn(network)
    wide = replace(
        genome, map_sizes=np.array([2, 1, 1, 1, 1], np.int32), taps=np.zeros(6, np.uint16), kernel=1
    )
    with pytest.raises(ValueError, match=r"^inputs must have one map size; got \[2, 1\]$"):
        to_cnn(wide)
    without_inputs = Genome.from_matrix([[0.0]], n_inputs=0, n_outputs=1)
    with pytest.raises(ValueError, match=r"^inputs must be the first nodes"):
        to_cnn(without_inputs)


def test_a_map_that_grows_is_refused():
    genome = Genome(
        indptr=np.array([0, 0, 1, 10]),
        indices=np.array([0] + [1] * 9, np.int32),
        values=np.ones(10),
        bias=np.zeros(3),
        ids=np.arange(3),
        roles=np.array([Role.INPUT, Role.HIDDEN, Role.OUTPUT], np.uint8),
        activations=np.zeros(3, np.uint8),
        map_sizes=np.array([1, 3, 1], np.int32),
        taps=np.array([0, *range(9)], np.uint16),
        kernel=3,
    )
    with pytest.raises(
        ValueError,
        match=r"^node 1 must not be larger than its predecessors; got map size 3 after 1$",
    ):
        to_cnn(genome)
