"""``evomatrix selftest``: whether an installation works, in about a minute.

Each check does what a user will do, small, in a temporary folder. A later check uses the run that an earlier one made.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import cnn
from cnn.compile import kernel_cache_directory
from cnn.compile.vector_kernels import ARITHMETIC, SHARED_ARITHMETIC
from cnn.files import one_line
from evo import Genome, Phenotype
from evo.errors import EvoMatrixError
from experiments.analysis.results import load_results
from experiments.audit.verification import verify
from experiments.cli.requirements import missing_extras, unmet_requirements
from experiments.cli.warming import warm
from experiments.figures.pictures import figure
from experiments.progress.callbacks import Callback, StopRun
from experiments.progress.events import GenerationDone
from experiments.report.report import write_report
from experiments.settings.experiment import Experiment
from experiments.studies.runner import resume_run, run

RUN = "selftest"
"""Name of the run that the checks make."""

EXPERIMENT = {
    "name": RUN,
    "seeds": 1,
    "dataset": {"name": "digits"},
    "founders": {"hidden": 10, "density": 0.3},
    "evolution": {"population": 4, "generations": 3, "steps_per_generation": 10},
    "baseline": {"arms": ["cnn"]},
}

DIGESTS = {"lenet5": "319a8b4412b9259f", "sparse_graph": "79f7a939fdcc5c85"}
"""Digests of the parameters of networks after training, the same on every processor with `SHARED_ARITHMETIC`."""


class CheckError(EvoMatrixError):
    """Something does not work in this installation."""


class SkipCheck(Exception):  # noqa: N818 - no error
    """A check that cannot be done here, and why."""


# -- small networks ----------------------------------------------------------------------------------------------------


def random_samples(n_features: int, n: int = 256, n_classes: int = 10) -> cnn.Samples:
    """Return samples of random numbers that float32 holds exactly, always the same."""
    rng = np.random.default_rng(1)
    inputs = rng.integers(-256, 256, (n, n_features)) / 128
    return cnn.Samples(inputs.astype(np.float32), rng.integers(0, n_classes, n))


def layered_genome(
    *sizes: int,
    density: float,
    activation: str = "tanh",
    ticks: int = 1,
    delayed: bool = False,
) -> Genome:
    """Return a genome with random edges from layer to layer, always the same; with `delayed` also back."""
    rng, n = np.random.default_rng(0), sum(sizes)
    ends = np.cumsum(sizes)
    matrix = np.zeros((n, n), np.float32)
    for start, middle, end in zip(ends - sizes, ends, ends[1:], strict=False):
        there = rng.random((middle - start, end - middle)) < density
        matrix[start:middle, middle:end] = there * rng.standard_normal(there.shape) / 8
        if delayed and start > 0:
            matrix[middle:end, start:middle] = there.T * rng.standard_normal(there.T.shape) / 8
    names = rng.choice([activation, "relu", "sigmoid"], n).tolist()
    return Genome.from_matrix(
        matrix, n_inputs=sizes[0], n_outputs=sizes[-1], activation=names, ticks=ticks
    )


def digest_after_training(
    network: cnn.Trainable,
    data: cnn.Samples,
    *,
    batch_size: int = 32,
    steps: int = 12,
    optimizer: str = "momentum",
) -> str:
    """Train a network by some steps and return the digest of its parameters."""
    recipe = cnn.Recipe.model_validate(
        {"learning_rate": 0.02, "batch_size": batch_size, "optimizer": optimizer}
    )
    cnn.train(network, data, recipe, first_step=0, steps=steps, total_steps=2 * steps, order_seed=0)
    if not np.isfinite(network.parameters).all():
        raise CheckError("parameters must be finite after training")
    return digest(network.parameters.tobytes())


def digest(content: bytes) -> str:
    """Return the first 16 digits of a SHA-256 hash."""
    return hashlib.sha256(content).hexdigest()[:16]


def lenet5() -> str:
    """Train LeNet-5 and return the digest of its parameters."""
    images = random_samples(28 * 28)
    shaped = cnn.Samples(images.inputs.reshape(-1, 1, 28, 28), images.targets)
    return digest_after_training(cnn.lenet5(rng=np.random.default_rng(0)), shaped)


def sparse_graph() -> str:
    """Train a sparse graph and return the digest of its parameters."""
    network = Phenotype(layered_genome(300, 200, 10, density=0.05))
    return digest_after_training(network, random_samples(300), batch_size=50, optimizer="adam")


# -- checks ------------------------------------------------------------------------------------------------------------


class _StopAfterOneGeneration(Callback):
    """Stops a run in its middle."""

    def generation(self, event: GenerationDone) -> None:
        if event.generation.number == 1:
            raise StopRun("the middle of the self-test")


def check_packages(folder: Path, workers: int) -> str:
    """Find the packages that EvoMatrix needs, and name those that extras would bring."""
    if unmet := unmet_requirements():
        raise CheckError("; ".join(unmet))
    missing = [
        f"{', '.join(names)} (pip install 'evomatrix[{extra}]')"
        for extra, names in missing_extras().items()
    ]
    return f"all that is needed; not installed: {'; '.join(missing) or 'nothing'}"


def check_kernels(folder: Path, workers: int) -> str:
    """Compile the kernels of usual runs, unless they are on disk."""
    warm(("graphs", "operators", "cnn"), lambda _: None)
    return f"compiled, and kept in {kernel_cache_directory()}"


def check_formula(folder: Path, workers: int) -> str:
    """Compare the outputs of a compiled network with NumPy's."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(30, 20)), rng.normal(size=(20, 5))
    matrix = np.zeros((55, 55))
    matrix[:30, 30:50], matrix[30:50, 50:] = first, second
    genome = Genome.from_matrix(matrix, n_inputs=30, n_outputs=5, activation=["tanh"] * 55)
    inputs = random_samples(30).inputs
    expected = np.tanh(np.tanh(inputs @ first) @ second)
    error = float(np.abs(Phenotype(genome, "squared_error").output(inputs) - expected).max())
    if not error < 1e-4:
        raise CheckError(f"outputs must be NumPy's up to 1e-4; they differ by {error:.2g}")
    return f"a compiled network computes what NumPy does, up to {error:.1g}"


def check_bits(folder: Path, workers: int) -> str:
    """Train two networks and compare the bits with those of other machines."""
    if ARITHMETIC != SHARED_ARITHMETIC:
        raise SkipCheck(f"the arithmetic is {ARITHMETIC}; digests are of {SHARED_ARITHMETIC}")
    found = {"lenet5": lenet5(), "sparse_graph": sparse_graph()}
    if found != DIGESTS:
        raise CheckError(f"digests after training must be {DIGESTS}; got {found}")
    return f"training gives the same bits as on every machine with {SHARED_ARITHMETIC}"


def check_run(folder: Path, workers: int) -> str:
    """Evolve small networks on handwritten digits, stop in the middle, and go on."""
    experiment = Experiment.parse(EXPERIMENT, RUN)
    stopped = run(
        experiment,
        workers=0,
        results=folder,
        run_name=RUN,
        quiet=True,
        callbacks=[_StopAfterOneGeneration()],
    )
    finished = resume_run(stopped.path, workers=0, quiet=True)
    for line in finished.failure_lines():
        raise CheckError(line)
    networks = len(finished.individuals)
    return f"{networks} networks evolved; stopped after one generation, and resumed"


def check_repetition(folder: Path, workers: int) -> str:
    """Compute the run again, on Ray if there are workers, without a stop, and compare everything."""
    outcome = verify(folder / RUN, workers=workers, quiet=True)
    if outcome.difference is not None:
        raise CheckError(str(outcome))
    where = f"on {workers} Ray workers" if workers else "in this process"
    return f"computed again {where}: {outcome}"


def check_report(folder: Path, workers: int) -> str:
    """Write the report of the run, and draw a picture."""
    path = write_report(folder / RUN)
    figure(load_results(folder / RUN), "generations", folder / "generations.png")
    return f"{path.stat().st_size / 1e6:.1f} MB of HTML, and a picture"


CHECKS: dict[str, Callable[[Path, int], str]] = {
    "packages": check_packages,
    "kernels": check_kernels,
    "formula": check_formula,
    "same bits": check_bits,
    "run, stop, resume": check_run,
    "repetition": check_repetition,
    "report": check_report,
}
"""Each check is a function of a folder and a number of workers; it returns what it found."""


@dataclass(frozen=True)
class Outcome:
    """What came out of a check.

    Attributes
    ----------
    name : str
        A key of `CHECKS`.
    status : str
        ``"ok"``, ``"failed"`` or ``"skipped"``.
    text : str
        What was found, or the error in one line.
    seconds : float
        How long it took.
    """

    name: str
    status: str
    text: str
    seconds: float


def selftest(
    folder: Path,
    *,
    workers: int = 2,
    begin: Callable[[str], None] = lambda _: None,
    say: Callable[[Outcome], None] = lambda _: None,
) -> Sequence[Outcome]:
    """Do all checks, also after one that failed.

    Parameters
    ----------
    folder : Path
        An empty folder for the run of the test.
    workers : int
        Number of Ray workers that compute the run again; 0 leaves Ray out.
    begin, say : callable
        Called with the name of each check when it begins, and with its outcome.

    Returns
    -------
    list of Outcome
        In the order of `CHECKS`.
    """
    outcomes = []
    for name, check in CHECKS.items():
        begin(name)
        started = time.perf_counter()
        try:
            status, text = "ok", check(folder, workers)
        except SkipCheck as reason:
            status, text = "skipped", str(reason)
        except Exception as error:  # whatever it is, it is what the test is to find
            status, text = "failed", f"{type(error).__name__}: {one_line(error)}"
        outcomes.append(Outcome(name, status, text, time.perf_counter() - started))
        say(outcomes[-1])
    return outcomes
