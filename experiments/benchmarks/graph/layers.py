"""Part `layers`: 784 → 1000 → 10 at four densities, beside PyTorch with a mask, torch.sparse and SciPy."""

from collections.abc import Iterator
from typing import Any

from experiments.benchmarks.graph.genomes import LAYER_SIZES, layer_blocks, layers_genome
from experiments.benchmarks.harness.rows import TableRow, Turns
from experiments.benchmarks.harness.sides import Case, Peer, compare, noise_samples
from experiments.benchmarks.harness.workload import recipe
from experiments.benchmarks.peers import torch_graph as peers
from experiments.benchmarks.peers.scipy_graph import Gradient, ScipyLayers
from experiments.benchmarks.peers.torch_layers import OptimizerForm, forget_compiled

BATCH = 64
N_SAMPLES = 4096
TARGETS = {
    0.01: {"PyTorch, masked": 12.0, "torch.sparse": 3.0, "SciPy": 3.0},
    0.05: {"PyTorch, masked": 5.0, "torch.sparse": 3.0, "SciPy": 3.0},
    0.20: {"PyTorch, masked": 2.0, "torch.sparse": 3.0, "SciPy": 1.8},
    0.50: {"PyTorch, masked": 1.0, "torch.sparse": 3.0, "SciPy": 1.3},
}
"""Factor by which ours must be faster, by density and peer."""

OPTIMIZERS: tuple[OptimizerForm, ...] = ("fused", "foreach")


def layers_case(density: float) -> Case:
    """Return our side at a density."""
    return Case(
        "layers",
        f"{density:.0%} dense",
        layers_genome(density),
        noise_samples(N_SAMPLES, LAYER_SIZES[0], LAYER_SIZES[-1]),
        recipe(BATCH),
    )


def layers_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Yield the rows of every density; a quick run leaves out ``torch.compile`` and the middle densities."""
    peers.one_thread()
    densities = (min(TARGETS), max(TARGETS)) if quick else tuple(TARGETS)
    for density in densities:
        case = layers_case(density)
        yield "note", {"note": f"layers, {case.what}"}
        compiled: dict[str, Peer] = {}
        if quick:
            reason = "left out of a quick run"
        else:
            yield "note", {"note": f"layers, {case.what}: torch.compile"}
            compiled, reason = compiled_masked(case)
        if reason:
            what = f"{case.what}: PyTorch compiled"
            yield "left_out", {"part": case.part, "what": what, "reason": reason}
        found = layers_peers(case)
        found["PyTorch, masked"] |= compiled
        yield from compare(case, found, TARGETS[density], turns)


def layers_peers(case: Case) -> dict[str, dict[str, Peer]]:
    """Return the peers of a case, in all forms that need no compiler."""
    blocks, made = layer_blocks(case.genome, LAYER_SIZES), torch_settings(case)
    data = made.pop("samples")
    masked: dict[str, Peer] = {
        f"eager, {name}": peers.MaskedLayers(blocks, data, optimizer=name, **made)
        for name in OPTIMIZERS
    }
    remasked: dict[str, Peer] = {
        f"eager, {name}": peers.RemaskedLayers(blocks, data, optimizer=name, **made)
        for name in OPTIMIZERS
    }
    gradients: tuple[peers.Gradient, ...] = ("sampled", "product and gather")
    rows: dict[str, Peer] = {
        name: peers.SparseLayers(blocks, name, data, **made) for name in gradients
    }
    ways: tuple[Gradient, ...] = ("chunks", "product and gather")
    plain: dict[str, Peer] = {name: ScipyLayers(blocks, name, data, **made) for name in ways}
    return {
        "PyTorch, masked": masked,
        "PyTorch, masked after updates": remasked,
        "torch.sparse": rows,
        "SciPy": plain,
    }


def compiled_masked(case: Case) -> tuple[dict[str, Peer], str]:
    """Return the compiled masked layers, and the reason if compilation fails."""
    forget_compiled()
    made = torch_settings(case)
    blocks, data = layer_blocks(case.genome, LAYER_SIZES), made.pop("samples")
    peer = peers.MaskedLayers(blocks, data, compiled=True, **made)
    try:
        peer.train(case.order(2))
    except (ImportError, OSError, RuntimeError) as error:  # as its compilers raise
        return {}, " ".join(str(error).split())[:120] or type(error).__name__
    return {"compiled, fused": peer}, ""


def torch_settings(case: Case) -> dict[str, Any]:
    """Return data and recipe of a case as arguments of a peer."""
    return {
        "samples": (case.samples.inputs, case.samples.targets),
        "learning_rate": case.recipe.learning_rate,
        "momentum": case.recipe.momentum,
    }
