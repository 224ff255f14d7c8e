"""``evomatrix warm``: compile kernels before they are needed, in several processes side by side.

Each part trains or changes a small network, so exactly the kernels are compiled that a run compiles, for the same
types. Numba compiles one kernel at a time in a process, so each part has a process of its own. Kernels that call the
same kernels are in one part: a process compiles a called kernel once.
"""

import hashlib
import math
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

import cnn
from cnn.compile import kernel_cache_directory
from cnn.compile.processor import processor_name, target_features
from evo import OPERATORS, Genome, GenomeEditor, Phenotype, canonical_hash, from_cnn
from evo.environment import usable_cores
from evo.errors import EvoMatrixError
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation
from evo.policies.link_prediction import ch2_l3n, ch3_l3p, link_scores

N_CLASSES, N_SAMPLES = 10, 64
SMALL, LARGE = (1, 8, 8), (1, 28, 28)
"""Shapes of images."""

POLES = ("double-pole", "double-pole-without-velocities", "cart-pole")
"""Tasks in compiled code, one for each of their kernels: ``single-pole`` has the one of ``double-pole``."""

RECIPE = cnn.Recipe(optimizer="momentum", learning_rate=0.01, batch_size=32)


@dataclass(frozen=True)
class Part:
    """Kernels that are compiled together.

    Attributes
    ----------
    title
        What the progress line names.
    use
        Uses the kernels, and so compiles them.
    """

    title: str
    use: Callable[[], None]


def _samples(shape: tuple[int, int, int]) -> cnn.Samples:
    """Return images of random numbers."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(N_SAMPLES, *shape)).astype(np.float32)
    return cnn.Samples(images, rng.integers(0, N_CLASSES, N_SAMPLES))


def _graph() -> Genome:
    """Return a graph of neurons that reads small images."""
    rng = np.random.default_rng(0)
    n_inputs = math.prod(SMALL)
    n = n_inputs + 30 + N_CLASSES
    matrix = np.triu(rng.normal(size=(n, n)), 1) * (rng.random((n, n)) < 0.5)
    matrix[:, :n_inputs] = 0
    return Genome.from_matrix(matrix.astype(np.float32), n_inputs=n_inputs, n_outputs=N_CLASSES)


def _train(network: cnn.Trainable, samples: cnn.Samples) -> None:
    """Make one training step."""
    cnn.train(network, samples, RECIPE, first_step=0, steps=1, total_steps=1, order_seed=0)


def _cnn() -> None:
    """Train LeNet-5 and use it."""
    network = cnn.lenet5(LARGE, N_CLASSES, rng=np.random.default_rng(0))
    _train(network, _samples(LARGE))
    cnn.evaluate(network, _samples(LARGE))


def _graphs() -> None:
    """Train a graph of neurons, use it, and compute gradients where it has no edges, as RigL does."""
    genome, samples = _graph(), _samples(SMALL)
    network = Phenotype(genome)
    _train(network, samples)
    cnn.evaluate(network, samples)
    place: NDArray[np.intp] = np.zeros(1, dtype=np.intp)
    last = place + genome.n_nodes - 1
    Phenotype(genome).gradients_at(place, last, samples.inputs, samples.targets)


def _maps() -> None:
    """Train a graph of feature maps and use it."""
    genome = from_cnn(cnn.lenet5(LARGE, N_CLASSES, rng=np.random.default_rng(0)))
    network = Phenotype(genome)
    _train(network, _samples(LARGE))
    cnn.evaluate(network, _samples(LARGE))


def _operators() -> None:
    """Change a graph by each operator, with the optimizer state of the parent, and hash the child."""
    genome = _graph()
    moments = np.zeros((1, genome.n_stored + genome.n_nodes), np.float32)
    for code, operator in OPERATORS.items():
        editor = GenomeEditor(genome, origins=True)
        context = ProposalContext(np.random.default_rng(0), OperatorSettings())
        parameters = operator.propose(editor, context)
        if parameters is not None:
            apply_operation(editor, code, parameters)
            canonical_hash(editor.freeze())
            editor.carry(moments)


def _link_prediction() -> None:
    """Score the free places of a layer as the policies cht, chts and chtss do."""
    edges = np.random.default_rng(0).random((40, 60)) < 0.1
    for rule in (ch2_l3n, ch3_l3p):
        link_scores(edges, rule)


def _compiled() -> None:
    """Let small populations balance poles with the compiled engine, from founders to the test episodes."""
    # The processes of other parts shall not wait for these imports.
    from experiments.settings.experiment import Experiment  # noqa: PLC0415
    from experiments.studies.runner import run  # noqa: PLC0415

    for task in POLES:
        experiment = Experiment(
            name="warm",
            seeds=1,
            task={"name": task, "episodes": 1, "test_episodes": 1},
            founders={"hidden": 3, "density": 0.5},
            evolution={"engine": "compiled", "population": 4, "generations": 2},
            baseline={"arms": []},
        )
        with TemporaryDirectory() as folder:
            run(experiment, results=folder, figures=False, quiet=True)


PARTS: Mapping[str, Part] = {
    "graphs": Part("evolved graphs", _graphs),
    "maps": Part("evolved graphs of feature maps", _maps),
    "operators": Part("mutation operators", _operators),
    "cnn": Part("CNNs", _cnn),
    "compiled": Part("the compiled engine", _compiled),
    "link-prediction": Part("link prediction", _link_prediction),
}
"""The parts by their names on the command line, those that take longest first."""


def check_parts(names: Sequence[str]) -> None:
    """Raise EvoMatrixError unless all names are keys of `PARTS`."""
    for name in names:
        if name not in PARTS:
            raise EvoMatrixError(f"part must be one of {', '.join(PARTS)}; got {name!r}")


def is_warm(name: str) -> bool:
    """Tell whether the kernels of a part were compiled before, for this processor and from these sources."""
    return _mark(name).is_file()


def compile_part(name: str) -> None:
    """Compile the kernels of a part in this process."""
    PARTS[name].use()
    _mark(name).touch()


def _mark(name: str) -> Path:
    """Return the path of the empty file that says that a part is compiled: Numba keeps code for each processor."""
    target = repr((processor_name(), sorted(target_features())))
    digest = hashlib.sha256(target.encode()).hexdigest()[:8]
    return kernel_cache_directory() / f"{name}-{digest}.warm"


def warm(
    names: Sequence[str],
    say: Callable[[str], None],
    begin: Callable[[str], None] = lambda _: None,
    processes: int | None = None,
) -> None:
    """Compile the parts that are not compiled yet, each in a process of its own.

    Parameters
    ----------
    names
        Keys of `PARTS`.
    say
        Called with a line of text when a part is compiled.
    begin
        Called with the titles of the parts that are being compiled, whenever they change.
    processes
        Number of processes at a time; by default the number of usable cores.

    Raises
    ------
    EvoMatrixError
        If a process fails; with the last line of its error.
    """
    waiting = [name for name in PARTS if name in names and not is_warm(name)]
    running: dict[str, float] = {}

    def compile_apart(name: str) -> float:
        running[name] = time.perf_counter()
        begin(", ".join(PARTS[one].title for one in list(running)))
        command = [sys.executable, "-m", "experiments", "warm", "--here", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        seconds = time.perf_counter() - running.pop(name)
        if done.returncode != 0:
            problem = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise EvoMatrixError(f"{PARTS[name].title} could not be compiled: {problem}")
        return seconds

    with ThreadPoolExecutor(processes or usable_cores()) as pool:
        futures = {pool.submit(compile_apart, name): name for name in waiting}
        for done in as_completed(futures):
            say(f"Compiled {PARTS[futures[done]].title} in {done.result():.0f} s")
