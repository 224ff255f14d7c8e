"""A network computes one observation at a time, and keeps its state from one observation to the next."""

from cnn.compile.compilation import kernel
from evo.phenotype.kernels.edge_kernels import Floats
from evo.phenotype.kernels.forward_kernels import Buffers, Layout, forward
from evo.phenotype.kernels.map_kernels import forward_input_maps
from evo.phenotype.kernels.row_kernels import Width
from evo.phenotype.kernels.training_kernels import InputOutputRows


@kernel
def read_observation(
    layout: Layout, io_rows: InputOutputRows, observation: Floats, buffers: Buffers
) -> None:
    """Write an observation to the input rows of every tick; the last tick becomes the tick before the first.

    The inputs of the tick before the first are those of the observation too, as in
    :func:`evo.phenotype.kernels.training_kernels.read_inputs`.
    """
    state, stride, length = buffers.state, buffers.stride, buffers.length
    features, rows = io_rows.features, io_rows.rows
    if layout.ticks > 1:
        size = layout.rows_per_tick * stride
        last = layout.first_base * stride + (layout.ticks - 1) * size
        for i in range(size):
            state[i] = state[last + i]
    for tick in range(-1 if layout.ticks > 1 else 0, layout.ticks):
        base = layout.first_base + tick * layout.rows_per_tick
        for k in range(features.shape[0]):
            offset = (base + rows[k]) * stride
            for b in range(length):
                state[offset + b] = observation[features[k]]
        forward_input_maps(layout.maps, buffers, base)


@kernel
def write_outputs(
    layout: Layout, io_rows: InputOutputRows, buffers: Buffers, outputs: Floats
) -> None:
    """Copy the outputs after the last tick to `outputs`, shape (n_outputs,)."""
    base = layout.first_base + (layout.ticks - 1) * layout.rows_per_tick
    for k in range(outputs.shape[0]):
        outputs[k] = buffers.state[(base + io_rows.outputs[k]) * buffers.stride]


@kernel
def act(
    layout: Layout,
    io_rows: InputOutputRows,
    weights: Floats,
    bias: Floats,
    buffers: Buffers,
    width: Width,
    observation: Floats,
    outputs: Floats,
) -> None:
    """Run all ticks on one observation, from the state that the last one left; write the outputs."""
    read_observation(layout, io_rows, observation, buffers)
    forward(layout, weights, bias, buffers, width)
    write_outputs(layout, io_rows, buffers, outputs)
