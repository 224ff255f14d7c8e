"""The gate, and the package's border."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import graphops

ON_ANY_MATRIX = {
    "swap_columns": lambda W: graphops.swap_columns(W, 0, 1),
    "swap_rows": lambda W: graphops.swap_rows(W, 0, 1),
    "add_column": lambda W: graphops.add_column(W, 0, 1, 1.0),
    "add_row": lambda W: graphops.add_row(W, 0, 1, 1.0),
    "assign": lambda W: graphops.assign(W, [0], [1], 1.0),
    "threshold": lambda W: graphops.threshold(W, 0.0),
    "threshold_mask": lambda W: graphops.threshold_mask(W, 0.0),
    "count_threshold": lambda W: graphops.count_threshold(W, 1),
    "quantile_threshold": lambda W: graphops.quantile_threshold(W, 0.5),
}
ON_SQUARE_MATRICES = {
    "reorder": lambda W: graphops.reorder(W, [1, 0]),
    "slogdet": graphops.slogdet,
    "identity_minus": graphops.identity_minus,
    "determinant_by_cycles": graphops.determinant_by_cycles,
    "mason_determinant": graphops.mason_determinant,
    "useful_edges": lambda W: graphops.useful_edges(W, [0], [1], 1),
    "needed_nodes": lambda W: graphops.needed_nodes(W, [0], [1], 1),
    "evaluation_layers": graphops.evaluation_layers,
    "strongly_connected": graphops.strongly_connected,
    "spectral_radius": graphops.spectral_radius,
    "degree_statistics": graphops.degree_statistics,
    "cycle_statistics": graphops.cycle_statistics,
    "path_statistics": lambda W: graphops.path_statistics(W, [0], [1]),
    "to_networkx": graphops.to_networkx,
    "to_edge_list": graphops.to_edge_list,
}
TRANSFORM = graphops.Transform.add_column(2, 0, 1, 0.5).then(
    graphops.Transform.add_row(2, 1, 0, 0.5)
)
ON_NODES_WITH_BIAS = {
    "append_nodes": graphops.append_nodes,
    "insert_nodes": lambda W: graphops.insert_nodes(W, [1]),
    "remove_nodes": lambda W: graphops.remove_nodes(W, [1]),
    "split_edge": lambda W: graphops.split_edge(W, 0, 1, weight_in=np.ones(W.shape[2:])),
    "duplicate_node": lambda W: graphops.duplicate_node(W, 0),
    "Transform": TRANSFORM.apply,
}
EVERY_FUNCTION = ON_ANY_MATRIX | ON_SQUARE_MATRICES | ON_NODES_WITH_BIAS
ON_KERNELS = ON_ANY_MATRIX | ON_NODES_WITH_BIAS | {"reorder": ON_SQUARE_MATRICES["reorder"]}

each_function = pytest.mark.parametrize("function", EVERY_FUNCTION.values(), ids=EVERY_FUNCTION)


@each_function
@pytest.mark.parametrize(
    ("matrix", "error", "message"),
    [
        (
            np.eye(2, dtype=complex),
            TypeError,
            "W must hold float32, float64 or integers; got complex128",
        ),
        (
            np.eye(2, dtype=np.float16),
            TypeError,
            "W must hold float32, float64 or integers; got float16",
        ),
        (
            np.array([[0.0, 1.0], [-np.inf, 0.0]]),
            ValueError,
            "W must be finite; got -inf at (1, 0)",
        ),
        (
            sparse.csr_array(np.array([[0.0, 1.0], [0.0, np.nan]])),
            ValueError,
            "W must be finite; got nan at (1, 1)",
        ),
    ],
)
def test_what_is_no_finite_real_matrix_is_refused_with_a_reason(function, matrix, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        function(matrix)


@each_function
def test_a_vector_is_no_matrix(function):
    rule = "have two axes or more" if function in ON_KERNELS.values() else "be two-dimensional"
    with pytest.raises(ValueError, match=rf"^W must {rule}; got shape \(3,\)$"):
        function(np.zeros(3))


@pytest.mark.parametrize("name", sorted(EVERY_FUNCTION.keys() - ON_KERNELS.keys()))
def test_kernels_are_refused_where_an_entry_is_one_number(name):
    with pytest.raises(ValueError, match=r"^W must be two-dimensional; got shape \(2, 2, 3, 3\)$"):
        EVERY_FUNCTION[name](np.ones((2, 2, 3, 3)))


@pytest.mark.parametrize("function", ON_KERNELS.values(), ids=ON_KERNELS)
def test_a_tap_that_is_not_finite_is_named(function):
    kernels = np.ones((2, 2, 3, 3))
    kernels[1, 0, 2, 1] = np.nan
    with pytest.raises(ValueError, match=r"^W must be finite; got nan at \(1, 0, 2, 1\)$"):
        function(kernels)


@pytest.mark.parametrize("function", ON_SQUARE_MATRICES.values(), ids=ON_SQUARE_MATRICES)
def test_what_is_not_square_is_refused_where_nodes_are_meant(function):
    with pytest.raises(ValueError, match=r"^W must be square; got shape \(2, 3\)$"):
        function(sparse.csc_array(np.ones((2, 3))))


@pytest.mark.parametrize("function", ON_NODES_WITH_BIAS.values(), ids=ON_NODES_WITH_BIAS)
@pytest.mark.parametrize("shape", [(2, 3), (4, 2)])
def test_beside_a_square_only_one_row_of_biases_is_taken(function, shape):
    message = f"W must be square, or have one row of biases more; got shape {shape}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(sparse.csc_array(np.ones(shape)))


@each_function
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", [np.array, sparse.csc_array])
def test_no_function_writes_to_its_input(function, form, dtype):
    original = np.array([[0.5, 2.0], [-1.0, 0.25]], dtype=dtype)
    matrix = form(original)
    arrays = [matrix] if form is np.array else [matrix.data, matrix.indices, matrix.indptr]
    for array in arrays:
        array.flags.writeable = False
    function(matrix)
    np.testing.assert_array_equal(matrix if form is np.array else matrix.toarray(), original)


def test_all_that_is_public_is_documented_and_there():
    assert len(set(graphops.__all__)) == len(graphops.__all__)
    functions = {name for name in graphops.__all__ if callable(getattr(graphops, name))}
    assert functions >= EVERY_FUNCTION.keys()
    for name in functions - {"Mode", "Scale"}:
        assert getattr(graphops, name).__doc__


def test_the_package_imports_numpy_scipy_networkx_and_pandas_only():
    allowed = {"collections", "dataclasses", "functools", "graphops", "inspect", "itertools"}
    allowed |= {"math", "typing", "networkx", "numpy", "pandas", "scipy"}
    found = set()
    for path in Path(graphops.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    assert found <= allowed
    assert {"networkx", "numpy", "scipy"} <= found
