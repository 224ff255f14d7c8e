"""The graph benchmark: what is measured is what it says, peers do the same work, misses are seen."""

import io
import json
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import graphops
from cnn import OptimizerState
from evo import Genome, Phenotype
from evo.errors import SettingsError
from experiments.benchmarks import BenchmarkError, BenchOptions
from experiments.benchmarks.graph import bench
from experiments.benchmarks.graph.bench import check_graph
from experiments.benchmarks.graph.genomes import (
    CHAIN_SIZES,
    LAYER_SIZES,
    chain_genome,
    layer_blocks,
    layers_genome,
    random_genome,
    set_genome,
    tiny_genomes,
)
from experiments.benchmarks.graph.large import (
    BATCH,
    N_CLASSES,
    N_FEATURES,
    RECIPE,
    SetRun,
    large_rows,
    layer_sizes,
    lung_samples,
    one_epoch_digest,
)
from experiments.benchmarks.graph.parts import PARTS, rows
from experiments.benchmarks.graph.tiny import n_solved, parity_samples, tiny_rows, train_all
from experiments.benchmarks.harness.machine import resident_mebibytes
from experiments.benchmarks.harness.rows import OURS, PUBLISHED, Turns, figure_row, speed_row
from experiments.benchmarks.harness.sides import Case, agreement_row, compare, digest, noise_samples
from experiments.benchmarks.harness.tables import line as line_of
from experiments.benchmarks.harness.tables import shown
from experiments.benchmarks.harness.workload import recipe
from experiments.benchmarks.peers.scipy_graph import ScipyLayers

HERE = Path(bench.__file__).parent
SHORT = Turns(rounds=1, seconds=0.005, trials=1)
SIZES = (6, 12, 4)


# -- genomes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [0.01, 0.5])
def test_layers_have_their_density_and_nothing_that_ours_could_leave_out(density):
    genome = layers_genome(density)
    first, second = layer_blocks(genome, LAYER_SIZES)
    assert first.nnz == round(density * 784_000)
    assert second.nnz == max(round(density * 10_000), 1_000)
    assert Phenotype(genome).n_edges == genome.n_stored


def test_blocks_hold_the_weights_of_the_genome_in_its_order():
    genome = chain_genome()
    blocks = layer_blocks(genome, CHAIN_SIZES)
    np.testing.assert_array_equal(np.concatenate([b.data for b in blocks]), genome.values)
    np.testing.assert_array_equal(blocks[3].toarray().T, genome.to_dense()[30:40, 40:50])


def test_blocks_of_a_graph_without_layers_are_refused():
    genome = random_genome(22, 60, n_inputs=6, n_outputs=4)
    with pytest.raises(ValueError, match="genome must have edges between neighbouring layers only"):
        layer_blocks(genome, SIZES)


def test_random_graphs_have_the_stated_size():
    genome = random_genome(200, 2_000, n_inputs=20, n_outputs=5)
    assert (genome.n_nodes, genome.n_stored) == (200, 2_000)
    assert (len(genome.inputs), len(genome.outputs)) == (20, 5)


def test_tiny_topologies_differ_and_repeat():
    genomes = tiny_genomes(60)
    assert len({(g.n_nodes, g.indptr.tobytes(), g.indices.tobytes()) for g in genomes}) == 60
    assert {len(g.outputs) for g in genomes} == {1, 2}
    assert {g.n_nodes - 3 - len(g.outputs) for g in genomes} <= set(range(2, 9))
    assert all(a.equals(b) for a, b in zip(genomes, tiny_genomes(60), strict=True))


# -- sides -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def case():
    matrix = graphops.layered(SIZES, 0.6, rng=np.random.default_rng(0))
    genome = Genome.from_matrix(matrix, n_inputs=SIZES[0], n_outputs=SIZES[-1], activation="relu")
    assert genome.effective_mask().all()  # else ours does less than peers
    return Case("layers", "small", genome, noise_samples(64, 6, 4), recipe(16))


def scipy_peer(case, gradient="chunks", learning_rate=0.01):
    data = case.samples.inputs, case.samples.targets
    blocks = layer_blocks(case.genome, SIZES)
    return ScipyLayers(blocks, gradient, data, learning_rate=learning_rate, momentum=0.9)


@pytest.mark.parametrize("gradient", ["chunks", "product and gather", "Numba"])
def test_scipy_computes_what_ours_computes(case, gradient):
    table, row = agreement_row(case, "SciPy", scipy_peer(case, gradient))
    assert table == "agreement"
    assert row["relative_difference"] < 1e-5
    assert row["loss_before"] != row["loss_peer"]
    np.testing.assert_array_equal(case.network.parameters, case.start)


def test_a_peer_that_learns_otherwise_is_found_out(case):
    with pytest.raises(BenchmarkError, match="layers, small: loss after 20 steps must be that"):
        agreement_row(case, "SciPy", scipy_peer(case, learning_rate=0.02))


def test_the_fastest_form_of_a_peer_is_timed_beside_ours(case):
    forms = {name: scipy_peer(case, name) for name in ("chunks", "Numba")}
    found = list(compare(case, {"SciPy": forms}, {"SciPy": 3.0}, SHORT))
    assert [table for table, _ in found] == ["agreement", "agreement", "speed"]
    row = found[-1][1]
    assert row["form"] in forms
    assert (row["part"], row["what"], row["unit"], row["target"]) == (
        "layers",
        "small",
        "steps/s",
        3.0,
    )
    assert row["ratio"] == pytest.approx(row["ours"] / row["peer_value"])


def test_a_turn_starts_from_the_starting_weights_and_bits_repeat(case):
    side = case.side(3)
    side.prepare()
    np.testing.assert_array_equal(case.network.parameters, case.start)
    side.run()
    assert not np.array_equal(case.network.parameters, case.start)
    assert digest(case) == digest(case)


# -- tiny and large ----------------------------------------------------------------------------------------------------


def test_parity_is_learned_by_some_and_counted():
    values, classes = parity_samples()
    assert classes.targets.tolist() == [0, 1, 1, 0, 1, 0, 0, 1]
    np.testing.assert_array_equal(values.targets[:, 0], classes.targets)
    networks = train_all(tiny_genomes(6), 500)
    assert 1 <= n_solved(networks) <= 6
    assert n_solved(train_all(tiny_genomes(6), 1)) == 0


def test_a_quick_run_does_not_stand_beside_what_others_published():
    tables = [table for table, _ in tiny_rows(SHORT, quick=True)]
    assert tables == ["note", "figures", "figures"]


@pytest.mark.slow
def test_an_epoch_trains_rewires_and_takes_momentum_along():
    sizes = layer_sizes(50)
    run = SetRun.start(set_genome(sizes, 20), sizes)
    before = run.network.genome
    parts = run.epoch(lung_samples())
    after = run.network.genome
    assert set(parts) == {"train", "SET step", "freeze and carry", "plan"}
    assert after.n_stored == before.n_stored
    layer_blocks(after, sizes)  # refuses what has no layers
    assert not np.array_equal(after.indices, before.indices)
    assert isinstance(run.state, OptimizerState)
    assert run.state.moments.shape == (1, run.network.parameter_count)
    assert 0.5 < np.count_nonzero(run.state.moments) / run.state.moments.size < 0.95
    run.epoch(lung_samples())
    assert run.state.step == 2 * 68


def test_resident_memory_is_read_from_the_systems_account():
    assert resident_mebibytes("VmHWM:\t 4096 kB\nVmRSS:\t 3072 kB\n") == 3.0
    assert resident_mebibytes("nothing of the kind") is None


@pytest.mark.slow
def test_the_large_case_has_the_lung_sets_shape_and_repeats():
    samples = lung_samples()
    assert samples.inputs.shape == (135, N_FEATURES)
    assert set(samples.targets) == set(range(N_CLASSES))
    assert RECIPE.batch_size == BATCH == 2
    assert one_epoch_digest(30) == one_epoch_digest(30)


@pytest.mark.slow
def test_memory_and_parts_of_an_epoch_are_told():
    found = pd.DataFrame(row for table, row in large_rows(SHORT, quick=True) if table == "figures")
    units = found.set_index("what")["unit"]
    assert {"edges", "s", "of an epoch"} <= set(units)
    seconds = found.set_index("what")["value"][units == "s"]
    assert seconds.filter(like="of which").sum() == pytest.approx(
        seconds.filter(like="epoch of 68 steps").item()
    )


def test_a_quick_run_leaves_the_huge_network_out_and_says_so():
    ((table, row),) = rows("huge", SHORT, quick=True)
    assert table == "left_out"
    assert row["reason"] == "left out of a quick run"


@pytest.mark.skipif(find_spec("neat") is None, reason='needs pip install -e ".[bench]"')
def test_evolution_stands_beside_neat_python_with_what_a_solution_takes():
    found = list(rows("evolution", SHORT, quick=True))
    ((_, speed),) = (pair for pair in found if pair[0] == "speed")
    assert (speed["part"], speed["peer"], speed["target"]) == ("evolution", "neat-python", 3.0)
    assert speed["ratio"] == pytest.approx(speed["ours"] / speed["peer_value"])
    whats = [row["what"] for table, row in found if table == "figures"]
    assert len(whats) == len(set(whats)) == 8


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tables():
    speed = [
        {"part": "layers", "what": "1% dense"}
        | speed_row("steps/s", "PyTorch, masked", [90.0], [10.0], form="eager", target=12.0),
        {"part": "deep", "what": "200 layers"}
        | speed_row("steps/s", "PyTorch", [90.0], [3.0], target=5.0),
        {"part": "tiny", "what": "parity"} | speed_row("s", "X", [2.0], [1.0], form=PUBLISHED),
        {"part": "preparation", "what": "n"} | speed_row("s", "a step", [1.0], [4.0], form=OURS),
    ]
    figures = [
        {"part": "tiny"} | figure_row("parity", "s", [4.0, 5.0, 6.0], at_most=3.0),
        {"part": "tiny"} | figure_row("solved", "networks", [7]),
    ]
    agreement = [{"steps": 20, "relative_difference": 1e-7}]
    return {
        "speed": pd.DataFrame(speed),
        "figures": pd.DataFrame(figures),
        "agreement": pd.DataFrame(agreement),
        "bits": pd.DataFrame([{"identical": True}]),
        "left_out": pd.DataFrame([{"part": "p", "what": "w", "reason": "r"}]),
    }


def test_the_line_names_the_worst_case_beside_a_peer_that_was_run_and_each_miss(tables):
    line = json.loads(json.dumps(line_of(tables)))
    assert (line["ratio"], line["ours"], line["peer"], line["unit"]) == (9.0, 90.0, 10.0, "steps/s")
    assert line["case"] == "layers, 1% dense, beside PyTorch, masked"
    assert line["ratio_deep"] == 30.0
    assert line["ratio_preparation"] == 4.0
    assert "ratio_tiny" not in line
    assert line["targets"] == 3
    assert line["missed"] == [
        "layers, 1% dense, beside PyTorch, masked: 9.00 of 12",
        "tiny, parity: 5 s, at most 3",
    ]


def test_target_and_figure_stand_side_by_side(tables):
    console = Console(record=True, width=140, file=io.StringIO())
    for part in shown(tables):
        console.print(part)
    text = console.export_text()
    (masked,) = (row for row in text.splitlines() if "PyTorch, masked" in row)
    assert masked.split()[-4:] == ["9.00", "9.00–9.00", "12", "no"]
    (deep,) = (row for row in text.splitlines() if "200 layers" in row)
    assert deep.split()[-4:] == ["30.00", "30.00–30.00", "5", "yes"]
    assert "Not measured: p, w (r)" in text


def test_a_figure_without_a_target_has_none():
    assert math.isnan(figure_row("edges", "edges", [3])["at_most"])
    assert math.isnan(speed_row("s", "X", [1.0], [1.0])["target"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (BenchOptions(batches=(1,)), "batch: must not be given to bench graph"),
        (BenchOptions(threads=(1,)), "threads: must not be given to bench graph"),
        (BenchOptions(networks=("x",)), "networks: must not be given to bench graph"),
        (BenchOptions(repeats=0), "repeats: must be at least 1; got 0"),
    ],
)
def test_a_wrong_option_is_named(options, message):
    with pytest.raises(SettingsError, match=message):
        check_graph(options)


def test_every_part_names_a_function_that_is_there():
    for module, function in PARTS.values():
        assert f"def {function}(" in (HERE / f"{module}.py").read_text("utf-8")
