"""The loops of a convolution around its tiles: over maps, pixels and taps."""

from cnn.arrays import FloatArray, FloatVector, IntArray
from cnn.compile.compilation import kernel
from cnn.compile.tile_kernels import HEIGHTS, TILE, correlate_tile, gather_tile, sum_vector
from cnn.compile.vector_kernels import lanes_of, register_lanes

VECTORS, NUMBERS = TILE.gather_vectors, TILE.correlate_numbers
LANES_4, LANES_8 = lanes_of(4), lanes_of(8)
REGISTER_4, REGISTER_8 = register_lanes(4), register_lanes(8)
TAPS_1, TAPS_2, TAPS_4, TAPS_6 = (TILE.correlate_taps[height] for height in (1, 2, 4, 6))

CHUNK = 256
"""Numbers of a run that all output maps read before the next ones, so that they stay in the cache."""

GROUP = 4096
"""Numbers of each map that are correlated with all taps before the next ones."""


@kernel
def pack(weights: FloatVector, index: IntArray, heights: IntArray, packed: FloatVector) -> None:
    """Lay out weights for `gather_tile`: for each block of maps, tap after tap, map after map.

    Parameters
    ----------
    weights
        The layer's own, flat.
    index
        Shape (n_out, n_taps): index of the weight of each tap, −1 where there is no connection.
    heights
        Maps of each block; their sum is n_out.
    packed
        Shape (n_out · n_taps,); overwritten. Where there is no connection the weight is 0.
    """
    written, first = 0, 0
    zero = weights.dtype.type(0)
    for height in heights:
        for tap in range(index.shape[1]):
            for k in range(first, first + height):
                at = index[k, tap]
                packed[written] = weights[at] if at >= 0 else zero
                written += 1
        first += height


@kernel
def unpack(taps: FloatArray, index: IntArray, weights: FloatVector) -> None:
    """Add up numbers by (map, tap) for each weight: the inverse of `pack`.

    Parameters
    ----------
    taps
        Shape (n_out, n_taps).
    index
        As for `pack`.
    weights
        Overwritten.
    """
    weights[:] = 0
    for k in range(index.shape[0]):
        for tap in range(index.shape[1]):
            at = index[k, tap]
            if at >= 0:
                weights[at] += taps[k, tap]


@kernel
def gather(
    image: FloatVector,
    batch: int,
    runs: IntArray,
    rows: IntArray,
    offsets: IntArray,
    packed: FloatVector,
    heights: IntArray,
    bias: FloatVector,
    out: FloatVector,
    n_pixels: int,
) -> None:
    """Add up shifted, scaled copies of an image: out_k = bias_k + Σ_e weight_ke · image shifted by e.

    Parameters
    ----------
    image
        The source maps, [map, row, column, batch], flat.
    batch
        Samples.
    runs, rows, offsets
        The `cnn.layers.kernels.stencil.Stencil`.
    packed, heights
        See `pack`.
    bias
        Shape (n_out,).
    out
        The output maps, [map, row, column, batch], flat; overwritten.
    n_pixels
        Pixels of an output map.
    """
    lanes = REGISTER_4 if image.itemsize == 4 else REGISTER_8
    n_taps = packed.shape[0] // bias.shape[0]
    stride = n_pixels * batch
    for r in range(runs.shape[0]):
        target, length, source = runs[r, 0] * batch, runs[r, 1] * batch, runs[r, 2] * batch
        first, last = runs[r, 3], runs[r, 4]
        for begin in range(0, length, CHUNK):
            end = min(begin + CHUNK, length)
            k = 0
            for height in heights:
                weights = k * n_taps
                o = k * stride + target
                i = begin
                while i + VECTORS * lanes <= end:
                    gather_tile(
                        image, source + i, batch, rows, offsets, first, last, packed, weights,
                        bias, k, out, o + i, stride, height, VECTORS, 1,
                    )  # fmt: skip
                    i += VECTORS * lanes
                while i < end and length >= lanes:
                    i = min(i, length - lanes)  # the last vector overlaps: it writes the same
                    gather_tile(
                        image, source + i, batch, rows, offsets, first, last, packed, weights,
                        bias, k, out, o + i, stride, height, 1, 1,
                    )  # fmt: skip
                    i += lanes
                while i < end:
                    gather_tile(
                        image, source + i, batch, rows, offsets, first, last, packed, weights,
                        bias, k, out, o + i, stride, height, 1, 0,
                    )  # fmt: skip
                    i += 1
                k += height


def n_sums(n_taps: int, itemsize: int) -> int:
    """Return how many numbers of `itemsize` bytes the scratch of `correlate` has."""
    return max(HEIGHTS) * n_taps * lanes_of(itemsize)


@kernel
def correlate(
    delta: FloatVector,
    image: FloatVector,
    batch: int,
    runs: IntArray,
    source_pixels: IntArray,
    rows: IntArray,
    offsets: IntArray,
    heights: IntArray,
    taps: FloatArray,
    sums: FloatVector,
) -> None:
    """Compute the weight gradient of `gather`: ∂E/∂weight_ke = ⟨delta_k, image shifted by e⟩.

    Parameters
    ----------
    delta
        ∂E/∂out, [map, row, column, batch], flat.
    image, batch, runs, rows, offsets, heights
        As given to `gather`; all runs must have the same length and the same pattern of taps.
    source_pixels
        Column 2 of `runs`, contiguous.
    taps
        Shape (n_out, n_taps); overwritten.
    sums
        Scratch of `n_sums` numbers.
    """
    lanes = LANES_4 if image.itemsize == 4 else LANES_8
    n_taps = taps.shape[1]
    n_runs, run = runs.shape[0], runs[0, 1] * batch
    stride = n_runs * run
    whole = run - run % lanes
    group = max(1, GROUP // run)
    together = max(1, NUMBERS // run)
    taps[:] = 0
    for first_run in range(0, n_runs, group):
        last_run = min(first_run + group, n_runs)
        k = 0
        for height in heights:
            if height == 6:
                step = TAPS_6
            elif height == 4:
                step = TAPS_4
            elif height == 2:
                step = TAPS_2
            else:
                step = TAPS_1
            offset = k * stride
            sums[:] = 0
            for r in range(first_run, last_run, together):
                last_r = min(r + together, last_run)
                for begin in range(0, whole, NUMBERS):
                    end = min(begin + NUMBERS, whole)
                    for e in range(0, n_taps, step):
                        correlate_tile(
                            delta, offset, stride, image, batch, source_pixels, r, last_r, begin,
                            end, run, offsets, e, n_taps, sums, height, 1,
                        )  # fmt: skip
            for m in range(height):
                for e in range(n_taps):
                    taps[k + m, rows[e]] += sum_vector(sums, (m * n_taps + e) * lanes)
            if whole < run:  # the numbers of each run that fill no vector
                for m in range(k, k + height):
                    sums[:n_taps] = 0
                    for e in range(0, n_taps, TAPS_1):
                        correlate_tile(
                            delta, m * stride, stride, image, batch, source_pixels, first_run,
                            last_run, whole, run, run, offsets, e, n_taps, sums, 1, 0,
                        )  # fmt: skip
                    for e in range(n_taps):
                        taps[m, rows[e]] += sums[e]
            k += height
