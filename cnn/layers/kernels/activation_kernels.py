"""Activation functions and their chain rule as compiled loops that vectorise."""

from cnn.arrays import FloatArray, FloatVector
from cnn.compile.compilation import kernel
from cnn.compile.elementary_kernels import fast_sigmoid, fast_tanh


@kernel
def add_bias(n: FloatArray, bias: FloatVector) -> None:
    """Add ``bias[k]`` to row k of n, shape (nodes, batch)."""
    for k in range(n.shape[0]):
        for i in range(n.shape[1]):
            n[k, i] += bias[k]


@kernel
def sigmoid_apply(n: FloatVector) -> None:
    """Replace n by its sigmoid. Flat vector."""
    for i in range(n.shape[0]):
        n[i] = fast_sigmoid(n[i])


@kernel
def tanh_apply(n: FloatVector) -> None:
    """Replace n by its tanh. Flat vector."""
    for i in range(n.shape[0]):
        n[i] = fast_tanh(n[i])


@kernel
def relu_apply(n: FloatVector) -> None:
    """Replace n by max(n, 0), and leave NaN as it is. Flat vector."""
    zero = n.dtype.type(0)
    for i in range(n.shape[0]):
        n[i] = zero if n[i] < zero else n[i]


@kernel
def sigmoid_chain(gradient: FloatVector, o: FloatVector, out: FloatVector) -> None:
    """Write gradient ∘ φ'(n) for the sigmoid, whose φ'(n) = o (1 − o) (S4). Flat vectors."""
    one = o.dtype.type(1)
    for i in range(o.shape[0]):
        out[i] = gradient[i] * (o[i] * (one - o[i]))


@kernel
def tanh_chain(gradient: FloatVector, o: FloatVector, out: FloatVector) -> None:
    """Write gradient ∘ φ'(n) for tanh, whose φ'(n) = 1 − o² (S4). Flat vectors."""
    one = o.dtype.type(1)
    for i in range(o.shape[0]):
        out[i] = gradient[i] * (one - o[i] * o[i])


@kernel
def relu_chain(gradient: FloatVector, o: FloatVector, out: FloatVector) -> None:
    """Write gradient ∘ φ'(n) for the rectifier: φ'(n) = 1 where o > 0, else 0. Flat vectors."""
    for i in range(o.shape[0]):
        out[i] = gradient[i] * (o[i] > 0)
