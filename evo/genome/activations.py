"""The activation functions of nodes by name, and the codes that node tables, files and kernels have for them.

:mod:`evo.phenotype.kernels.activation_kernels` has the built-in functions and their derivatives (slopes), compiled.
Most derivatives are computed from the *output* o = φ(n), as in the seed document (S4). The others are computed from the
*net input* n, which the forward pass must then keep in one more row of memory. ``sign`` (S1) has a derivative of 0
almost everywhere; training uses the derivative of the identity clipped at ±1 instead (the straight-through estimator of
Hubara et al. 2016). ``gelu`` is n·Φ(n) with the normal distribution Φ (Hendrycks and Gimpel 2016).

An own activation is two functions of one number, the value φ(n) and the slope φ′(n). Numba compiles them when they are
registered, and kernels call the machine code through :mod:`evo.genome.function_table`. Its code follows from its name
alone, so it is the same in every process and for every order of registration.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from evo.registry import Registry, check_signature, functions_in

LEAK = 0.01
"""Slope of ``leaky_relu`` below zero."""

FIRST_OWN = 16
"""The smallest code of an own activation; the codes below are for built-in ones."""

N_CODES = 256

_POINTS = np.linspace(-5.93, 6.07, 41)
"""Net inputs at which an own activation is checked; 0 is not among them, where many slopes jump."""

_STEP = 1e-6


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes
    ----------
    value, slope : callable or None
        φ(n) and φ′(n), functions of one number in Numba's subset of Python, such as ``lambda n: n / (1 + np.exp(-n))``.
        None for a built-in activation, which the kernels contain.
    surrogate : bool
        Whether the slope is deliberately not the derivative of the value, as for ``sign``.
    code : int
        The code in node tables and files. The registry sets the code of an own activation.
    name : str
        In words.
    """

    value: Callable[[float], float] | None = None
    slope: Callable[[float], float] | None = None
    surrogate: bool = False
    code: int = -1
    name: str = ""


def _converted(name: str, given: Any) -> Activation:
    """Return an own activation for a class with `value` and `slope`, or for an Activation; check its functions."""
    if isinstance(given, type):
        value, slope = functions_in("activation", name, given, ("value", "slope"))
        surrogate = bool(getattr(given, "surrogate", False))
    elif isinstance(given, Activation):
        value, slope, surrogate = given.value, given.slope, given.surrogate
    else:
        raise TypeError(
            f"activation {name!r} must be a class with the functions value and slope, or Activation(value, slope); "
            f"got {given!r}"
        )
    for function in (value, slope):
        check_signature("activation", name, function, "n")
    code = FIRST_OWN + int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) % (
        N_CODES - FIRST_OWN
    )
    taken = next((other for other in ACTIVATIONS if ACTIVATIONS[other].code == code), name)
    if taken != name:
        raise ValueError(f"name {name!r} of the activation has the code of {taken!r}; take another")
    if name in ACTIVATIONS.built_in:
        raise ValueError(f"name of the activation must not be that of a built-in one; got {name!r}")
    _check_functions(name, value, slope, surrogate)
    return Activation(value, slope, surrogate, code)


def _check_functions(name: str, value: Any, slope: Any, surrogate: bool) -> None:
    """Raise ValueError if a function gives no finite numbers, or the slope is not the derivative of the value."""
    values, slopes, above, below = (
        _evaluated(name, function, points)
        for function, points in (
            (value, _POINTS),
            (slope, _POINTS),
            (value, _POINTS + _STEP),
            (value, _POINTS - _STEP),
        )
    )
    for what, numbers in (("value", values), ("slope", slopes)):
        if not np.isfinite(numbers).all():
            at = _POINTS[~np.isfinite(numbers)][0]
            raise ValueError(
                f"{what} of activation {name!r} must be finite; at n = {at:g} it is not"
            )
    differences = (above - below) / (2 * _STEP)
    wrong = np.abs(slopes - differences) > 1e-4 * (1 + np.abs(differences))
    if wrong.any() and not surrogate:
        k = int(wrong.argmax())
        raise ValueError(
            f"slope of activation {name!r} must be the derivative of its value, or surrogate be true; at n = "
            f"{_POINTS[k]:g} the derivative is {differences[k]:.6g}; got {slopes[k]:.6g}"
        )


def _evaluated(name: str, function: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        with np.errstate(all="ignore"):
            return np.array([float(function(float(n))) for n in points])
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(f"activation {name!r} must be defined for numbers ({problem})") from error


def _compile(name: str, activation: Activation) -> None:
    from evo.genome.function_table import enter_activation  # noqa: PLC0415 - Numba, for own ones only

    value, slope = activation.value, activation.slope
    if value is not None and slope is not None:
        enter_activation(name, activation.code, value, slope)


ACTIVATIONS: Registry[Activation] = Registry("activation", convert=_converted)
"""The activations by name."""

ACTIVATIONS.watch(_compile)

ACTIVATIONS.fill(
    {
        name: Activation(code=code, name=words)
        for code, (name, words) in enumerate(
            {
                "identity": "n",
                "sigmoid": "1 / (1 + exp(-n))",
                "tanh": "tanh(n)",
                "relu": "max(n, 0)",
                "leaky_relu": f"max(n, {LEAK} n)",
                "gelu": "n times the normal distribution function at n",
                "sine": "sin(n)",
                "gaussian": "exp(-n²)",
                "sign": "-1 below 0, else 1; trained with the slope of n clipped at -1 and 1",
            }.items()
        )
    }
)

ActivationName = Annotated[str, ACTIVATIONS]
"""The type of a setting that names an activation."""

NEEDS_NET_INPUT: NDArray[np.bool_] = np.arange(N_CODES) >= FIRST_OWN
"""For each code, whether the derivative reads the net input."""
for _name in ("gelu", "sine", "gaussian", "sign"):
    NEEDS_NET_INPUT[ACTIVATIONS[_name].code] = True
NEEDS_NET_INPUT.setflags(write=False)


def activation_code(name: str) -> int:
    """Return the code of an activation.

    Raises
    ------
    ValueError
        If the name is not registered. The message lists the registered names.

    Examples
    --------
    >>> activation_code("tanh")
    2
    """
    return ACTIVATIONS.choose(name).code


def activation_name(code: int) -> str:
    """Return the name of the activation with a code.

    Raises
    ------
    ValueError
        If no activation has the code.

    Examples
    --------
    >>> activation_name(2)
    'tanh'
    """
    return activation_names([code])[0]


def activation_names(codes: Sequence[int] | NDArray[np.uint8]) -> list[str]:
    """Return the name of each of several codes; raise ValueError if no activation has one of them."""
    names = {activation.code: name for name, activation in ACTIVATIONS.items()}
    unknown = next((code for code in codes if code not in names), None)
    if unknown is not None:
        known = ", ".join(map(str, names))
        raise ValueError(f"code of an activation must be one of {known}; got {unknown}")
    return [names[code] for code in codes]


def activation_codes(names: str | list[str] | tuple[str, ...], n_nodes: int) -> NDArray[np.uint8]:
    """Return the code of each node, given one name for all nodes or one name per node."""
    if isinstance(names, str):
        return np.full(n_nodes, activation_code(names), dtype=np.uint8)
    if len(names) != n_nodes:
        raise ValueError(
            f"activation must be one name or {n_nodes} names, one per node; got {len(names)}"
        )
    return np.array([activation_code(name) for name in names], dtype=np.uint8)


# -- in files ----------------------------------------------------------------------------------------------------------


def describe_own(codes: NDArray[np.uint8]) -> dict[str, list[float]]:
    """Return what a file says of the own activations among some codes: names, and values at some points."""
    if not codes.size or codes.max() < FIRST_OWN:
        return {}
    own = [int(code) for code in np.unique(codes) if code >= FIRST_OWN]
    return {name: _probe(name).tolist() for name in activation_names(own)}


def check_described(described: Any) -> None:
    """Raise ValueError unless the own activations of a file are registered here, with the same values."""
    if not isinstance(described, dict):
        raise ValueError(f"own_activations must be a table; got {described!r}")
    for name, values in described.items():
        if name not in ACTIVATIONS.own:
            raise ValueError(
                f"activation {name!r} must be registered first; it is an own activation"
            )
        if not np.allclose(_probe(name), np.asarray(values, np.float64), rtol=1e-6, atol=1e-9):
            raise ValueError(
                f"activation {name!r} must be the function with which the network was stored; got another function"
            )


def _probe(name: str) -> NDArray[np.float64]:
    return _evaluated(name, ACTIVATIONS[name].value, _POINTS[::8])
