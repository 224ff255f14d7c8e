"""Who may import whom, who may write files, and what no module does: read from the sources."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "graphops": set(),
    "cnn": set(),
    "evo": {"cnn", "graphops"},
    "experiments": {"evo", "cnn", "graphops"},
}
"""The packages, and of each other one that it may know."""

WRITERS = {ROOT / "evo" / "store.py", ROOT / "cnn" / "storage.py"}
"""The modules that write files: runs and what evolved, and layered networks."""

WRITING_MODES = set("wax+")
WRITING_METHODS = {"savefig", "tofile", "write_bytes", "write_text"} | {
    f"to_{kind}" for kind in ("csv", "excel", "feather", "hdf", "parquet", "pickl" + "e")
}
UNSAFE_MODULES = {"pickl" + "e", "cloud" + "pickl" + "e", "marshal", "shelve", "dill", "joblib"}
SEEDED = {"BitGenerator", "Generator", "PCG64", "SeedSequence", "default_rng"}


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


SOURCES = [
    pytest.param(path, id=path.relative_to(ROOT).as_posix())
    for package in MAY_IMPORT
    for path in modules(package)
]


def imported(tree):
    """Return the full names of all modules that a source imports, inside functions too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def top_level(tree):
    return {name.partition(".")[0] for name in imported(tree)}


def dotted(node):
    """Return ``np.random.rand`` for the expression of that form, and "" for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def breaches_of_writing(tree):
    """Yield the calls that write a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        last = name.rpartition(".")[2]
        texts = [
            value.value
            for value in [*node.args, *(keyword.value for keyword in node.keywords)]
            if isinstance(value, ast.Constant) and isinstance(value.value, str)
        ]
        modes = [text for text in texts if set(text) <= set("rwaxbt+") and len(text) <= 3]
        opens = last in {"open", "fdopen"} and any(set(mode) & WRITING_MODES for mode in modes)
        numpy_saves = name.partition(".")[0] in {"np", "numpy"} and last.startswith("save")
        arrow_writes = name.startswith("pq.write")
        methods = isinstance(node.func, ast.Attribute) and last in WRITING_METHODS
        if opens or numpy_saves or arrow_writes or methods:
            yield f"line {node.lineno}: {name}"


def breaches_of_randomness(tree):
    """Yield what draws from, or sets, a generator that others share."""
    for name in imported(tree):
        if name.partition(".")[0] == "random":
            yield f"import of {name}"
        if name.startswith("numpy.random.") and name.rpartition(".")[2] not in SEEDED:
            yield f"import of {name}"
    for node in ast.walk(tree):
        name = dotted(node)
        owner, _, attribute = name.rpartition(".")
        if owner in {"np.random", "numpy.random"} and attribute not in SEEDED:
            yield f"line {node.lineno}: {name}"
        unseeded = isinstance(node, ast.Call) and not node.args and not node.keywords
        if unseeded and dotted(node.func).endswith("default_rng"):
            yield f"line {node.lineno}: default_rng() without a seed"


def breaches_of_safety(tree):
    """Yield what may run code that stands in a file."""
    for name in top_level(tree) & UNSAFE_MODULES:
        yield f"import of {name}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in {"eval", "exec"} or name.rpartition(".")[2] == "read_" + "pickl" + "e":
            yield f"line {node.lineno}: {name}"
        for keyword in node.keywords:
            allows = keyword.arg == "allow_" + "pickl" + "e"
            if allows and not (
                isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            ):
                yield f"line {node.lineno}: {name}({keyword.arg}=...)"


@pytest.fixture
def tree(path):
    return ast.parse(path.read_text("utf-8"))


@pytest.mark.parametrize("path", SOURCES)
def test_packages_know_only_those_below_them(path, tree):
    package = path.relative_to(ROOT).parts[0]
    forbidden = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    assert not top_level(tree) & (forbidden | {"tests"})


@pytest.mark.parametrize("path", SOURCES)
def test_only_the_ray_executor_imports_ray(path, tree):
    assert ("ray" in top_level(tree)) == (path == ROOT / "evo" / "executors" / "ray.py")


@pytest.mark.parametrize("path", SOURCES)
def test_only_the_two_stores_write_files(path, tree):
    breaches = list(breaches_of_writing(tree))
    if path in WRITERS:
        assert breaches, "the store writes in a way that this test does not see"
    else:
        assert breaches == []


@pytest.mark.parametrize("path", SOURCES)
def test_no_random_generator_is_shared(path, tree):
    assert list(breaches_of_randomness(tree)) == []


@pytest.mark.parametrize("path", SOURCES)
def test_nothing_that_is_read_is_executed(path, tree):
    assert list(breaches_of_safety(tree)) == []


@pytest.mark.parametrize(
    ("find", "source"),
    [
        (breaches_of_writing, "open(path, 'w')"),
        (breaches_of_writing, "path.open(mode='ab')"),
        (breaches_of_writing, "open(path, 'r+')"),
        (breaches_of_writing, "path.write_text(text)"),
        (breaches_of_writing, "Path(name).write_bytes(data)"),
        (breaches_of_writing, "figure.savefig(path)"),
        (breaches_of_writing, "runs['a'].to_parquet(path)"),
        (breaches_of_writing, "np.savez_compressed(path, a=a)"),
        (breaches_of_randomness, "np.random.seed(0)"),
        (breaches_of_randomness, "x = numpy.random.rand(3)"),
        (breaches_of_randomness, "from numpy.random import normal"),
        (breaches_of_randomness, "import random"),
        (breaches_of_randomness, "np.random.default_rng()"),
        (breaches_of_safety, f"import {'pickl' + 'e'}"),
        (breaches_of_safety, f"from {'pickl' + 'e'} import load"),
        (breaches_of_safety, "eval(text)"),
        (breaches_of_safety, f"np.load(path, allow_{'pickl' + 'e'}=True)"),
    ],
)
def test_the_rules_above_see_a_breach(find, source):
    assert len(list(find(ast.parse(source)))) == 1


@pytest.mark.parametrize(
    ("find", "source"),
    [
        (breaches_of_writing, "open(path, encoding='utf-8')"),
        (breaches_of_writing, "path.open('rb')"),
        (breaches_of_writing, "write_text(path, text)"),
        (breaches_of_writing, "network.save(path)"),
        (breaches_of_randomness, "np.random.default_rng(seed).normal()"),
        (breaches_of_safety, f"np.load(path, allow_{'pickl' + 'e'}=False)"),
    ],
)
def test_the_rules_above_let_the_rest_pass(find, source):
    assert list(find(ast.parse(source))) == []


@pytest.mark.parametrize(
    "package",
    sorted(
        ".".join(path.parent.relative_to(ROOT).parts)
        for name in MAY_IMPORT
        for path in modules(name)
        if path.name == "__init__.py" and path.read_text("utf-8").strip()
    ),
)
def test_every_package_says_what_is_public(package):
    module = importlib.import_module(package)
    assert module.__all__
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
