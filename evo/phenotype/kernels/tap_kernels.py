"""Sums over a few taps of feature maps: the taps of weight 0 are left out.

:mod:`evo.phenotype.convolutions` describes the maps. A batch is cut into *slices* as long as a vector of a
sum. A slice of the source maps is copied to consecutive places, each register of it apart, so that the lines that a
line of the target reads fit the first-level cache. A line of the target, or a part of it, stays in registers while the
taps of a block of source maps are added to it.

A tap of weight 0 adds nothing to a finite sum. So each number is the same to the bit as with all taps, whose sum has
the same order.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel
from cnn.compile.vector_kernels import Emitter, lanes_of, register_lanes
from evo.phenotype.kernels.edge_kernels import Floats, Ints

WIDTHS = (14, 10, 7, 3, 1)
"""Numbers of pixels of a line that stay in registers together; a line is cut into such parts, the widest first."""

LANES_4, LANES_8 = lanes_of(4), lanes_of(8)
REGISTER_4, REGISTER_8 = register_lanes(4), register_lanes(8)


class LinePlan(NamedTuple):
    """The taps that the lines of target maps read from source maps.

    Line y of a target map reads row r of a kernel from line ``first_lines[y]`` + r of each source map. Where a source
    map has no such line, the row is left out.

    Attributes
    ----------
    edges : ndarray of int64, shape (n_edges,)
        The weight of each tap, in the order of the sums: for each target map the source maps, for each source map the
        rows of the kernel, for each row the taps.
    indptr : ndarray of int64, shape (n_targets · n_sources · n_kernel_rows + 1,)
        The taps of each row of a kernel.
    offsets : ndarray of int32, shape (n_edges,)
        Numbers from the first of line ``first_lines[y]`` of the first source map to the one that the tap reads.
    first_lines : ndarray of int64, shape (n_lines,)
        See above; may be negative.
    n_targets, n_sources, n_kernel_rows : int
        Numbers of target maps, source maps, and rows of a kernel.
    source_lines, source_pixels : int
        Lines of a source map, and pixels of a line.
    pitch, margin : int
        Pixels of a copied line, and the zeros before its own pixels.
    cuts : ndarray of int64, shape (n_parts + 1,)
        The pixels at which a line of a target map is cut into parts of `WIDTHS`; the last is the number of pixels.
    """

    edges: Ints
    indptr: Ints
    offsets: NDArray[np.int32]
    first_lines: Ints
    n_targets: int
    n_sources: int
    n_kernel_rows: int
    source_lines: int
    source_pixels: int
    pitch: int
    margin: int
    cuts: Ints


class TapLists(NamedTuple):
    """The taps of each line of each target map: taps of each block of source maps, one after another.

    Attributes
    ----------
    offsets, weights : ndarray of int32 and of the weights' dtype
        Offset and weight of each listed tap.
    kept : ndarray of int64, shape of `LinePlan.indptr`
        The listed taps of each row of a kernel.
    first, last : ndarray of int64, shape (n_lines, n_blocks, n_targets)
        The listed taps of a line.
    """

    offsets: NDArray[np.int32]
    weights: Floats
    kept: Ints
    first: Ints
    last: Ints


@kernel
def list_taps(plan: LinePlan, weights: Floats, zeros: bool, lists: TapLists) -> None:
    """List the taps of every line; those whose weight is 0 only if `zeros`."""
    n_rows, n_sources, n_blocks = plan.n_kernel_rows, plan.n_sources, lists.first.shape[1]
    zero = weights.dtype.type(0)
    listed = 0
    for c in range(plan.indptr.shape[0] - 1):
        lists.kept[c] = listed
        for t in range(plan.indptr[c], plan.indptr[c + 1]):
            weight = weights[plan.edges[t]]
            lists.offsets[listed] = plan.offsets[t]
            lists.weights[listed] = weight
            listed += zeros or weight != zero
    lists.kept[plan.indptr.shape[0] - 1] = listed
    per_block = (n_sources + n_blocks - 1) // n_blocks
    for y in range(plan.first_lines.shape[0]):
        low = max(0, -plan.first_lines[y])
        high = min(n_rows, plan.source_lines - plan.first_lines[y])
        for block in range(n_blocks):
            begin = min(block * per_block, n_sources)
            end = min(begin + per_block, n_sources)
            for k in range(plan.n_targets):
                if low == 0 and high == n_rows:
                    lists.first[y, block, k] = lists.kept[(k * n_sources + begin) * n_rows]
                    lists.last[y, block, k] = lists.kept[(k * n_sources + end) * n_rows]
                    continue
                lists.first[y, block, k] = listed
                for s in range(begin, end):
                    c = (k * n_sources + s) * n_rows
                    for t in range(lists.kept[c + low], lists.kept[c + high]):
                        lists.offsets[listed] = lists.offsets[t]
                        lists.weights[listed] = lists.weights[t]
                        listed += 1
                lists.last[y, block, k] = listed


def _copy_slice(
    typing_context: Any,
    rows: Any,
    begin: Any,
    length: Any,
    n_lines: Any,
    n_pixels: Any,
    copied: Any,
    copied_begin: Any,
    pitch: Any,
    part_size: Any,
) -> Any:
    """Copy a slice of lines of pixels; return 0 if all its numbers are finite, else NaN.

    The first pixel's slice begins at `begin`; pixels are `length` numbers apart. Each register of a slice has a part of
    the copy for itself, `part_size` numbers. There the pixels of a line are consecutive, and lines are `pitch` pixels
    apart.
    """
    real, index = rows.dtype, types.intp
    whole, lanes = lanes_of(real.bitwidth // 8), register_lanes(real.bitwidth // 8)
    signature = real(rows, index, index, index, index, copied, index, index, index)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (rows_, begin_, length_, n_lines_, n_pixels_, copied_, copied_begin_, pitch_,
         part_size_) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, lanes)
        source, target = emit.pointer(rows, rows_), emit.pointer(copied, copied_)
        zero = emit.splat(ir.Constant(emit.real, 0.0))
        (check,) = emit.accumulators(1, zero)
        with emit.loop(emit.constant(0), n_lines_) as line:
            first = emit.multiply(line, n_pixels_)
            to = emit.add(copied_begin_, emit.multiply(emit.multiply(line, pitch_), lanes))
            with emit.loop(emit.constant(0), n_pixels_) as pixel:
                at = emit.add(begin_, emit.multiply(emit.add(first, pixel), length_))
                there = emit.add(to, emit.multiply(pixel, lanes))
                for part in range(whole // lanes):
                    numbers = emit.load_vector(source, emit.add(at, part * lanes))
                    emit.accumulate(check, numbers, zero)
                    place = emit.add(there, emit.multiply(part_size_, part))
                    emit.store_vector(numbers, target, place)
        return emit.sum_lanes(builder.load(check))

    return signature, generate


copy_slice: Any = intrinsic(_copy_slice)


def _gather_line(
    typing_context: Any,
    copied: Any,
    begin: Any,
    offsets: Any,
    weights: Any,
    first: Any,
    last: Any,
    sums: Any,
    sums_begin: Any,
    n_pixels: Any,
) -> Any:
    """Add Σ_e weights[e] · copied[begin + offsets[e] + x · lanes + i] to sums[x, i].

    The pixels x run over `n_pixels`, one of `WIDTHS`, the samples i over a register, the taps e from `first` to
    `last` (exclusive). The sums of a pixel begin a slice after those of the pixel before.
    """
    real, index = copied.dtype, types.intp
    whole, lanes = lanes_of(real.bitwidth // 8), register_lanes(real.bitwidth // 8)
    signature = types.void(copied, index, offsets, weights, index, index, sums, index, index)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (copied_, begin_, offsets_, weights_, first_, last_, sums_, sums_begin_, n_pixels_) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, lanes)
        source, target = emit.pointer(copied, copied_), emit.pointer(sums, sums_)
        offset_of, weight_of = emit.pointer(offsets, offsets_), emit.pointer(weights, weights_)
        for pixels in WIDTHS:
            chosen = builder.icmp_signed("==", n_pixels_, emit.constant(pixels))
            with builder.if_then(chosen):
                places = [emit.add(sums_begin_, x * whole) for x in range(pixels)]
                slots = [emit.accumulators(1, emit.load_vector(target, at))[0] for at in places]
                with emit.loop(first_, last_) as tap:
                    offset = builder.sext(emit.load(offset_of, tap), emit.index_type)
                    at = emit.add(begin_, offset)
                    w = emit.splat(emit.load(weight_of, tap))
                    for x, slot in enumerate(slots):
                        emit.accumulate(slot, w, emit.load_vector(source, emit.add(at, x * lanes)))
                for at, slot in zip(places, slots, strict=True):
                    emit.store_vector(builder.load(slot), target, at)
        return context.get_dummy_value()

    return signature, generate


gather_line: Any = intrinsic(_gather_line)


def _write_line(
    typing_context: Any,
    sums: Any,
    sums_begin: Any,
    out: Any,
    out_begin: Any,
    length: Any,
    n_pixels: Any,
    accumulate: Any,
) -> Any:
    """Write the sums of a line of pixels to out[out_begin + x · length + i]; add them where `accumulate`."""
    real, index = sums.dtype, types.intp
    lanes = lanes_of(real.bitwidth // 8)
    signature = types.void(sums, index, out, index, index, index, types.boolean)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        sums_, sums_begin_, out_, out_begin_, length_, n_pixels_, accumulate_ = arguments
        emit = Emitter(context, builder, real, lanes)
        source, target = emit.pointer(sums, sums_), emit.pointer(out, out_)
        nothing = emit.splat(ir.Constant(emit.real, -0.0))  # x + (−0) is x, also for x = −0
        with emit.loop(emit.constant(0), n_pixels_) as x:
            total = emit.load_vector(source, emit.add(sums_begin_, emit.multiply(x, lanes)))
            to = emit.add(out_begin_, emit.multiply(x, length_))
            before = builder.select(accumulate_, emit.load_vector(target, to), nothing)
            emit.store_vector(builder.fadd(before, total), target, to)
        return context.get_dummy_value()

    return signature, generate


write_line: Any = intrinsic(_write_line)


@allocating_kernel
def gather_listed(
    plan: LinePlan,
    lists: TapLists,
    weights: Floats,
    rows: Floats,
    length: int,
    bias: Floats,
    copied: Floats,
    out: Floats,
    out_begin: int,
    out_map: int,
    out_line: int,
    accumulate: bool,
) -> None:
    """Write out_k = bias_k + Σ_e weight_ke · source shifted by e; add it where `accumulate`.

    Parameters
    ----------
    plan, weights
        The taps, and the weights of all edges.
    lists
        Room for the taps; overwritten.
    rows
        The rows of the source maps, flat; each has `length` numbers.
    bias
        Shape (n_targets,).
    copied
        Room for a slice of the source maps, with zeros in the margins.
    out, out_begin, out_map, out_line
        The rows of the target maps, flat; the first row, and rows from one map and from one line to the next.
    """
    lanes = REGISTER_4 if rows.itemsize == 4 else REGISTER_8
    whole = LANES_4 if rows.itemsize == 4 else LANES_8
    n_targets, n_blocks = plan.n_targets, lists.first.shape[1]
    cuts = plan.cuts
    n_columns = cuts[cuts.shape[0] - 1]
    n_source_lines = plan.n_sources * plan.source_lines
    part_size, line_size = n_source_lines * plan.pitch * lanes, n_columns * whole
    sums = np.empty(n_targets * line_size, rows.dtype)
    zeros = False
    for begin in range(0, length, whole):
        check = copy_slice(
            rows, begin, length, n_source_lines, plan.source_pixels, copied, plan.margin * lanes,
            plan.pitch, part_size,
        )  # fmt: skip
        if begin == 0 or (check != 0 and not zeros):
            zeros = check != 0  # 0 times a number that is not finite is NaN
            list_taps(plan, weights, zeros, lists)
        for y in range(plan.first_lines.shape[0]):
            line = plan.first_lines[y] * plan.pitch * lanes
            for k in range(n_targets):
                sums[k * line_size : (k + 1) * line_size] = bias[k]
            for part in range(whole // lanes):
                for block in range(n_blocks):
                    for k in range(n_targets):
                        for c in range(cuts.shape[0] - 1):
                            x = cuts[c]
                            gather_line(
                                copied, part * part_size + line + x * lanes, lists.offsets,
                                lists.weights, lists.first[y, block, k], lists.last[y, block, k],
                                sums, k * line_size + x * whole + part * lanes, cuts[c + 1] - x,
                            )  # fmt: skip
            for k in range(n_targets):
                to = (out_begin + k * out_map + y * out_line) * length + begin
                write_line(sums, k * line_size, out, to, length, n_columns, accumulate)
