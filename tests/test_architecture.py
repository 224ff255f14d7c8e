"""Who may import whom, who may write files, and what no module does: read from the sources.

Each test reads every source and names all breaches at once.
"""

import ast
import functools
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

BENCHES = "experiments.benchmarks"
MAY_IMPORT = {
    "graphops": "",
    # -- cnn: the root holds names of arrays, checks, files and the functions of the seed document
    "cnn": "",
    "cnn.compile": "cnn",
    "cnn.augmentation": "cnn cnn.compile",
    "cnn.dropout": "cnn cnn.augmentation cnn.compile",
    "cnn.training": "cnn cnn.augmentation cnn.compile cnn.dropout",
    "cnn.layers.kernels": "cnn cnn.compile",
    "cnn.layers": "cnn cnn.compile cnn.layers.kernels cnn.training",
    "cnn.models": "cnn cnn.compile cnn.dropout cnn.layers cnn.training",
    "cnn.linear": "cnn cnn.compile cnn.layers cnn.models cnn.training",
    # -- evo: the root holds errors, settings, registries, seeding, files and the description of the machine
    "evo": "cnn",
    "evo.genome": "evo",
    "evo.exchange": "evo evo.genome evo.preparation",
    "evo.initial": "evo evo.genome evo.exchange",
    "evo.canonical": "evo evo.genome",
    "evo.editing": "evo evo.genome",
    "evo.recombination": "evo evo.genome evo.editing",
    "evo.operators": "evo evo.genome evo.canonical evo.editing evo.recombination",
    "evo.gradient_free": "evo evo.genome evo.operators evo.phenotype.kernels",
    "evo.gradient_free.control": "evo evo.gradient_free",
    "evo.gradient_free.generation": "evo evo.genome evo.operators evo.phenotype.kernels evo.gradient_free",
    "evo.policies": "evo evo.genome evo.editing evo.operators evo.gradient_free evo.gradient_free.generation",
    "evo.phenotype.kernels": "evo.genome cnn.layers.kernels",
    "evo.phenotype": "evo evo.genome evo.phenotype.kernels cnn.layers.kernels",
    "evo.selection.contract": "evo evo.genome",
    "evo.selection": "evo evo.genome evo.recombination evo.selection.contract",
    "evo.preparation": "evo",
    "evo.rewards": "evo evo.genome evo.exchange evo.operators evo.phenotype evo.preparation evo.gradient_free"
    " evo.gradient_free.control evo.gradient_free.generation",
    "evo.evolution": "evo evo.genome evo.canonical evo.editing evo.initial evo.operators evo.policies evo.phenotype"
    " evo.recombination evo.selection evo.preparation evo.rewards",
    "evo.executors": "evo evo.genome evo.operators evo.policies evo.phenotype evo.recombination evo.rewards"
    " evo.evolution evo.gradient_free evo.gradient_free.generation",
    "evo.storage": "evo evo.genome evo.exchange evo.operators evo.phenotype evo.recombination evo.evolution"
    " evo.preparation evo.rewards",
    # -- experiments: the root holds the scripts to copy
    "experiments.datasets.parts": "evo evo.preparation",
    "experiments.datasets": "evo evo.preparation experiments.datasets.parts",
    "experiments.arms": "evo evo.genome evo.initial evo.phenotype evo.evolution evo.preparation evo.rewards evo.storage"
    " experiments.datasets",
    "experiments.settings": "evo evo.genome evo.initial evo.operators evo.policies evo.selection evo.evolution"
    " evo.rewards experiments.arms experiments.datasets",
    "experiments.statistics": "",
    "experiments.analysis.frames": "evo evo.selection evo.storage experiments.statistics",
    "experiments.analysis": "evo evo.evolution evo.storage experiments.settings experiments.statistics"
    " experiments.analysis.frames",
    "experiments.progress": "evo evo.evolution experiments.analysis experiments.settings",
    "experiments.figures.style": "evo evo.genome evo.storage experiments.analysis",
    "experiments.figures": "evo evo.genome evo.operators evo.storage experiments.analysis experiments.figures.style",
    "experiments.studies.planned": "evo evo.storage experiments.settings",
    "experiments.report.blocks": "evo evo.storage experiments.analysis experiments.figures.style",
    "experiments.report.sections": "evo evo.genome evo.operators evo.storage experiments.analysis experiments.figures"
    " experiments.figures.style experiments.report.blocks",
    "experiments.report": "evo evo.storage experiments.analysis experiments.figures.style experiments.report.blocks"
    " experiments.report.sections",
    "experiments.studies": "evo evo.genome evo.exchange evo.initial evo.operators evo.policies evo.phenotype"
    " evo.selection evo.evolution evo.executors evo.preparation evo.rewards evo.storage"
    " evo.gradient_free evo.gradient_free.generation"
    " experiments.arms experiments.datasets experiments.settings experiments.analysis experiments.figures"
    " experiments.progress experiments.studies.planned",
    "experiments.estimators": "evo evo.evolution evo.preparation evo.storage experiments.analysis experiments.datasets"
    " experiments.settings experiments.studies",
    "experiments.audit": "evo evo.genome evo.operators evo.recombination evo.evolution evo.storage"
    " experiments.analysis experiments.datasets experiments.progress experiments.settings experiments.studies",
    "experiments.continuation": "evo evo.editing evo.evolution evo.operators evo.policies evo.selection evo.storage"
    " experiments.analysis experiments.audit experiments.datasets experiments.progress experiments.settings"
    " experiments.studies",
    f"{BENCHES}.harness": "evo evo.genome evo.phenotype",
    f"{BENCHES}.peers": "evo evo.genome evo.evolution evo.gradient_free.control",
    f"{BENCHES}.cnn": f"evo experiments.datasets {BENCHES}.harness {BENCHES}.peers",
    f"{BENCHES}.graph": "evo.genome evo.editing evo.operators evo.policies evo.phenotype evo.gradient_free"
    f" {BENCHES}.harness {BENCHES}.peers",
    f"{BENCHES}.control": "evo.genome evo.phenotype evo.evolution evo.gradient_free evo.gradient_free.control"
    f" {BENCHES}.graph {BENCHES}.harness {BENCHES}.peers",
    f"{BENCHES}.maps": "evo evo.genome evo.exchange evo.initial evo.phenotype"
    f" {BENCHES}.harness {BENCHES}.peers",
    f"{BENCHES}.dispatch": "evo evo.genome evo.policies evo.evolution evo.executors experiments.datasets"
    f" experiments.progress experiments.settings experiments.studies {BENCHES}.harness {BENCHES}.peers",
    BENCHES: "evo evo.genome evo.editing evo.operators evo.policies evo.phenotype evo.storage experiments.analysis"
    " experiments.arms experiments.datasets experiments.settings experiments.statistics experiments.studies"
    f" {BENCHES}.harness {BENCHES}.peers {BENCHES}.cnn {BENCHES}.control {BENCHES}.dispatch {BENCHES}.graph"
    f" {BENCHES}.maps",
    "experiments.cli": "evo evo.operators evo.policies evo.storage experiments.progress experiments.settings"
    " experiments.studies experiments.analysis experiments.analysis.frames experiments.figures"
    " experiments.arms experiments.audit experiments.continuation experiments.report experiments.statistics"
    f" {BENCHES}",
    "experiments": "experiments.cli",
}
"""The rooms, from the ground up, and which others each may know.

Beside these `evo` and `experiments` may know the rooms of `BELOW_EVO` and the public names of `cnn`; scripts, those of
all packages. The ``__init__`` of a top-level package holds its public names, so it
may know every room of its package.
"""

LARGEST_ROOM = 12
"""Modules in one room; `graphops` stays flat, for its modules are themes of functions."""

BELOW_EVO = {
    "graphops",
    "cnn",
    "cnn.augmentation",
    "cnn.compile",
    "cnn.dropout",
    "cnn.training",
    "cnn.layers",
}
WRITERS = {
    "cnn.files",
    "evo.storage.journal",
    "evo.storage.run_store",
    "evo.storage.table_folder",
}
"""The modules that write files."""

WRITING_MODES = set("wax+")
WRITING_METHODS = {"savefig", "tofile", "write_bytes", "write_text"} | {
    f"to_{kind}" for kind in ("csv", "excel", "feather", "hdf", "parquet", "pickl" + "e")
}
UNSAFE_MODULES = {"pickl" + "e", "cloud" + "pickl" + "e", "marshal", "shelve", "dill", "joblib"}
SEEDED = {"BitGenerator", "Generator", "PCG64", "SeedSequence", "default_rng"}
PACKAGES = ("graphops", "cnn", "evo", "experiments")


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
INITS = {name for name, path in PATHS.items() if path.name == "__init__.py"}


@functools.cache
def sources():
    """Return the syntax tree of each module; the other processes that collect these tests do not read them."""
    return {name: ast.parse(path.read_text("utf-8")) for name, path in PATHS.items()}


@functools.cache
def nodes_of(tree):
    return tuple(ast.walk(tree))


def room_of(module):
    return module if module in INITS else module.rpartition(".")[0]


def imported(tree):
    """Return the full names of all modules that a source imports, inside functions too."""
    names = set()
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def top_level(tree):
    return {name.partition(".")[0] for name in imported(tree)}


def own_imports(tree):
    """Return the project's modules that a source imports; a package only where a name of its own is taken."""
    found = set()
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in PATHS else node.module)
    return found & PATHS.keys()


def breaches_of_order():
    """Yield the imports that `MAY_IMPORT` does not allow."""
    for module, tree in sources().items():
        if module in PACKAGES:  # public names
            allowed = {room for room in MAY_IMPORT if room.startswith(f"{module}.")} | {"evo"}
        else:
            room = room_of(module)
            allowed = {room, *MAY_IMPORT[room].split()}
            if room.partition(".")[0] in {"evo", "experiments"}:
                allowed |= BELOW_EVO
            if room == "experiments":
                allowed |= set(PACKAGES)
        for name in own_imports(tree):
            if room_of(name) not in allowed | {module}:
                yield f"{module} imports {name}"


def cycles(edges):
    """Return the names that lie on a cycle of a graph, given as a mapping from each name to others."""
    left = {name: set(others) - {name} for name, others in edges.items()}
    while True:
        ends = {name for name, others in left.items() if not others & left.keys()}
        if not ends:
            return set(left)
        left = {name: others for name, others in left.items() if name not in ends}


def dotted(node):
    """Return ``np.random.rand`` for the expression of that form, and "" for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def breaches_of_writing(tree):
    """Yield the calls that write a file."""
    for node in nodes_of(tree):
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
    for node in nodes_of(tree):
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
    for node in nodes_of(tree):
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


def in_all_sources(find, leave_out=frozenset()):
    return [
        f"{name}: {breach}"
        for name, tree in sources().items()
        if name not in leave_out
        for breach in find(tree)
    ]


def test_rooms_know_only_those_that_the_table_allows():
    assert sorted(breaches_of_order()) == []


def test_every_room_stands_in_the_table():
    rooms = {room_of(name) for name in PATHS} | set(PACKAGES)
    assert rooms == MAY_IMPORT.keys()


def test_nothing_imports_itself_by_way_of_others():
    assert cycles({name: own_imports(tree) for name, tree in sources().items()}) == set()
    assert cycles({room: allowed.split() for room, allowed in MAY_IMPORT.items()}) == set()


def test_rooms_are_small():
    sizes = dict.fromkeys(MAY_IMPORT, 0)
    for name in PATHS.keys() - INITS:
        sizes[room_of(name)] += 1
    del sizes["graphops"]
    assert {room: size for room, size in sizes.items() if size > LARGEST_ROOM} == {}


def test_every_package_says_what_lives_in_it_and_what_is_public():
    wrong = []
    for name in sorted(INITS):
        module = importlib.import_module(name)
        public = getattr(module, "__all__", [])
        if len(ast.get_docstring(sources()[name]) or "") < 60:
            wrong.append(f"{name}: must say in two or three sentences what lives there")
        if not public or len(set(public)) < len(public):
            wrong.append(f"{name}: __all__ must name what is public, each once")
        wrong += [
            f"{name}: has no {one}"
            for one in public
            if f"{name}.{one}" not in PATHS and not hasattr(module, one)
        ]
    assert wrong == []


def test_only_the_ray_executor_its_packing_and_a_peer_of_a_benchmark_import_ray():
    with_ray = {name for name, tree in sources().items() if "ray" in top_level(tree)}
    assert with_ray == {"evo.executors.ray", "evo.executors.travel", f"{BENCHES}.peers.dispatch"}


def test_only_files_and_storage_write_files():
    assert in_all_sources(breaches_of_writing, WRITERS) == []
    unseen = {name for name in WRITERS if not list(breaches_of_writing(sources()[name]))}
    assert unseen == set(), "these write in a way that this test does not see"


def test_no_random_generator_is_shared():
    assert in_all_sources(breaches_of_randomness) == []


def test_nothing_that_is_read_is_executed():
    assert in_all_sources(breaches_of_safety) == []


def test_no_source_imports_the_tests():
    assert [name for name, tree in sources().items() if "tests" in top_level(tree)] == []


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


def test_a_cycle_is_seen():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == set("abcd")
    assert cycles({"a": {"b"}, "b": set()}) == set()


def test_top_levels_and_the_command_line_import_nothing_heavy():
    heavy = "numba scipy statsmodels moocore networkx pandas pyarrow ray matplotlib sklearn plotly"
    code = (
        "import sys, cnn, evo, experiments, experiments.cli.app\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_nothing_imports_a_module_that_a_script_beside_the_rooms_of_experiments_hides():
    """A script such as ``experiments/digits.py`` has its own folder first on the path: its rooms hide modules."""
    rooms = {path.name for path in (ROOT / "experiments").iterdir() if path.is_dir()}
    hidden = rooms & sys.stdlib_module_names
    assert "statistics" in hidden
    assert in_all_sources(lambda tree: top_level(tree) & hidden) == []
