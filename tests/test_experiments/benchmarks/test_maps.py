"""The benchmark of maps: networks are what they are said to be, peers can do the same work, misses are seen."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from evo import Phenotype
from evo.errors import SettingsError
from experiments.benchmarks import BenchmarkError, BenchOptions
from experiments.benchmarks.harness import workload
from experiments.benchmarks.harness.rows import OURS, figure_row, speed_row
from experiments.benchmarks.harness.settings import MapsSettings
from experiments.benchmarks.harness.sides import Case, bits_row, digest
from experiments.benchmarks.maps.bench import plan, start_rows
from experiments.benchmarks.maps.networks import (
    CNN,
    NETWORKS,
    TAPS,
    dense_network,
    genome_of,
    levels_of,
    limits_of,
    places_in,
    useful_flops,
)
from experiments.benchmarks.maps.tables import line as line_of
from experiments.benchmarks.maps.tables import shown
from experiments.benchmarks.peers.layers import peer_layers

LENET_WEIGHTS, LENET_MACS = 61_470, 416_520


@pytest.fixture(scope="module")
def networks():
    return {
        name: Phenotype(genome_of(name), dormant=spec.dormant) for name, spec in NETWORKS.items()
    }


# -- networks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stored", "nodes"),
    [
        ("lenet5", LENET_WEIGHTS, 237),
        ("twice", LENET_WEIGHTS, 463),
        ("three_times", LENET_WEIGHTS, 689),
        ("straight_through", 243_900, 463),
    ],
)
def test_every_network_has_lenet5s_taps_and_work(networks, name, stored, nodes):
    network, acting = networks[name], networks[name].without_dormant()
    genome = network.genome
    assert (genome.n_stored, genome.n_nodes) == (stored, nodes)
    assert int(genome.active_mask().sum()) == sum(TAPS) == LENET_WEIGHTS
    # Neurons of the widest network to which no output listens have no effect; that is next to nothing.
    assert LENET_MACS * 0.999 < acting.macs <= LENET_MACS
    assert network.n_edges >= acting.n_edges


def test_useful_work_is_three_products_but_two_at_inputs_and_one_for_what_only_learns(networks):
    of_images = 150 * 28**2
    whole = 2 * (3 * LENET_MACS - of_images)
    assert useful_flops(networks["lenet5"]) == useful_flops(networks["twice"]) == whole
    dormant = networks["straight_through"].macs - LENET_MACS
    assert dormant > 0
    assert useful_flops(networks["straight_through"]) == whole + 2 * dormant


def test_the_dense_network_has_lenet5s_layers_with_more_maps():
    (first, *_, last) = peer_layers(dense_network(2))
    assert first == ("convolution", 1, 12, (5, 5), 1, (2, 2))
    assert last == ("linear", 168, 10)
    assert dense_network(1).parameter_count == 61_706


@pytest.mark.parametrize("name", ["lenet5", "twice", "three_times"])
def test_a_dense_network_with_our_parameters_in_their_places_computes_the_same(networks, name):
    network, dense = networks[name], dense_network(NETWORKS[name].factor)
    places = places_in(dense, network)
    assert len(np.unique(places)) == network.parameter_count
    dense.parameters[:] = 0
    dense.parameters[places] = network.parameters
    images = workload.synthetic_samples().inputs[:20]
    np.testing.assert_allclose(dense.output(images), network.output(images), atol=1e-5)


def test_a_dense_network_of_other_levels_has_no_places(networks):
    with pytest.raises(ValueError, match="dense must have every tap that network has"):
        places_in(dense_network(1), networks["twice"])


def test_limits_of_levels_let_as_many_weights_through_as_lenet5_has(networks):
    network, dense = networks["straight_through"], dense_network(2)
    limits = limits_of(network.genome, 2)
    dense.parameters[places_in(dense, network)] = network.parameters
    assert limits[1::2] == [None] * 5
    end, found = 0, []
    for level, before in zip(levels_of(2)[1:], levels_of(2), strict=False):
        size = {28: 25, 10: 25, 1: 25 if before.map_size == 10 else 1}[level.map_size]
        begin, end = end, end + before.n_nodes * level.n_nodes * size
        weights = np.abs(dense.parameters[begin:end])
        found.append(int((weights > limits[2 * len(found)]).sum()))
        end += level.n_nodes  # biases
    assert tuple(found) == TAPS


# -- repetition --------------------------------------------------------------------------------------------------------


def test_training_repeats_bit_for_bit_and_a_difference_is_an_error():
    samples = workload.synthetic_samples()
    genome = genome_of("straight_through")
    recipe = workload.recipe(8)
    first, second = (
        digest(Case("st", "8", genome, samples, recipe, dormant="straight_through"))
        for _ in range(2)
    )
    assert bits_row("st", "8", first, second)["identical"]
    dormant = digest(Case("st", "8", genome, samples, recipe))
    with pytest.raises(
        BenchmarkError, match=f"st, 8: .* must be the same; got {first} and {dormant}$"
    ):
        bits_row("st", "8", first, dormant)


# -- options -----------------------------------------------------------------------------------------------------------


def test_a_quick_run_is_small_and_takes_what_it_is_told():
    assert [one.network for one in plan(BenchOptions())] == list(NETWORKS)
    assert {one.batches for one in plan(BenchOptions())} == {(32, 64, 128)}
    assert {one.batches for one in plan(BenchOptions(quick=True))} == {(32,)}
    (told,) = plan(BenchOptions(networks=("twice",), batches=(8, 16), repeats=3, quick=True))
    assert told == MapsSettings("twice", (8, 16), 3, quick=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": (1,)}, "threads: must not be given to bench maps"),
        ({"data_dir": "d"}, "data_dir: must not be given to bench maps"),
        (
            {"networks": ("thrice",)},
            "networks: unknown network 'thrice'; known: lenet5, twice, three_times, straight_through",
        ),
        ({"batches": (32, 0)}, "batch: must be at least 1; got 0"),
        ({"batches": (5000,)}, "batch: must be at most 4096, the samples there are; got 5000"),
        ({"repeats": 0}, "repeats: must be at least 1; got 0"),
    ],
)
def test_options_out_of_range_name_option_rule_and_value(options, message):
    with pytest.raises(SettingsError, match=f"^{message}$"):
        plan(BenchOptions(**options))


# -- tables ------------------------------------------------------------------------------------------------------------


def test_target_and_ratio_stand_side_by_side_and_misses_are_named():
    key = {"what": "batch 64"}
    speed = [
        {"part": "lenet5", **key}
        | speed_row("samples/s", CNN, [90.0], [100.0], form=OURS, target=0.8),
        {"part": "twice", **key}
        | speed_row("samples/s", "PyTorch, masked", [50.0], [20.0], form="eager", target=3.0),
    ]
    tables = {
        "speed": pd.DataFrame(speed),
        "figures": pd.DataFrame([{"part": "memory"} | figure_row("x: peak", "MiB", [99])]),
        "agreement": pd.DataFrame([{"steps": 20, "loss_difference": 1e-7}]),
        "bits": pd.DataFrame([{"identical": True}]),
    }
    line = json.loads(json.dumps(line_of(tables)))
    assert (line["name"], line["unit"], line["ratio"]) == ("maps", "samples/s", 2.5)
    assert (line["ratio_lenet5"], line["targets"]) == (0.9, 2)
    assert line["missed"] == ["twice, batch 64, beside PyTorch, masked: 2.50 of 3"]
    console = Console(record=True, width=140, file=io.StringIO())
    for part in shown(tables):
        console.print(part)
    text = console.export_text()
    assert "twice: LeNet-5's taps in twice the maps" in text
    (reached,) = (row for row in text.splitlines() if "cnn (ours)" in row)
    assert reached.split()[-4:] == ["0.90", "0.90–0.90", "0.8", "yes"]
    assert "largest differences: loss 1.0e-07" in text


# -- processes of their own --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_start_compiles_once_and_then_finds_its_kernels():
    compiled, cached = start_rows("twice")
    assert (compiled["part"], compiled["unit"]) == ("start", "s")
    assert cached["value"] < compiled["value"] / 10
