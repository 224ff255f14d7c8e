"""Benchmarks: fair turns, honest tables, one JSON line - and one line where the peer is missing."""

import json
import os
import re
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
)
from evo.errors import SettingsError
from experiments.benchmarks import BENCHMARKS, BenchmarkError, BenchOptions
from experiments.benchmarks.cnn import tables as cnn_tables
from experiments.benchmarks.cnn.bench import plan, start_rows
from experiments.benchmarks.cnn.layer_rates import layer_rates
from experiments.benchmarks.harness import workload
from experiments.benchmarks.harness.machine import (
    busy,
    matrix_product_rate,
    peak_mebibytes,
    thread_environment,
)
from experiments.benchmarks.harness.process import reports
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.timing import Side, interleave, seconds_of
from experiments.benchmarks.peers.layers import peer_layers
from experiments.benchmarks.registry import Benchmark
from experiments.cli.app import main

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason='PyTorch, the peer, is not installed (".[bench]")'
)


# -- turns and processes -----------------------------------------------------------------------------------------------


def test_sides_take_turns_each_prepared_outside_the_clock():
    events = []

    def side(name):
        def prepare():
            events.append(f"prepare {name}")
            time.sleep(0.02)

        return Side(name, prepare, lambda: events.append(f"run {name}"))

    seconds = interleave([side("ours"), side("peer")], 3)
    assert events == ["prepare ours", "run ours", "prepare peer", "run peer"] * 3
    assert [len(turns) for turns in seconds.values()] == [3, 3]
    assert max(turn for turns in seconds.values() for turn in turns) < 0.02


def test_turns_need_a_round_and_names_that_differ():
    side = Side("ours", lambda: None, lambda: None)
    with pytest.raises(ValueError, match="rounds must be at least 1; got 0"):
        interleave([side], 0)
    with pytest.raises(ValueError, match="names of sides must differ"):
        interleave([side, side], 1)


def test_time_is_measured_without_the_garbage_collector_which_then_goes_on():
    import gc

    seen = []
    assert seconds_of(lambda: (time.sleep(0.01), seen.append(gc.isenabled()))) >= 0.01
    assert seen == [False]
    assert gc.isenabled()


def test_the_rate_of_matrix_products_is_of_the_size_a_processor_has():
    rate = matrix_product_rate(size=128, rounds=3)
    assert 0.1 < rate.low <= rate.median <= rate.high < 10_000


def test_peak_memory_is_unknown_where_the_system_does_not_say():
    assert peak_mebibytes("") is None


def test_a_busy_machine_is_told_of():
    assert "load average 1.4" in busy(1.4)


def test_a_process_reports_in_lines_of_json_and_may_say_other_things():
    code = "print('hello'); print('{\"a\": 1}'); import os; print('{\"b\": ' + os.environ['OMP_NUM_THREADS'] + '}')"
    assert list(reports(["-c", code], thread_environment(3))) == [{"a": 1}, {"b": 3}]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print('{}', flush=True); 1/0", "ended with code 1: ZeroDivisionError: division by zero"),
        ("import sys; sys.stderr.write('batch: too large\\n'); sys.exit(2)", "^batch: too large$"),
        ("import sys; sys.exit(3)", "code 3: it gave no reason"),
    ],
)
def test_a_process_that_fails_says_why_in_one_line(code, message):
    with pytest.raises(BenchmarkError, match=message):
        list(reports(["-c", code], os.environ))


# -- tables ------------------------------------------------------------------------------------------------------------


def rows(threads, batch, **peers):
    """Return rows of the speed table for one cell: ours makes 100 samples/s."""
    key = {"network": "lenet5", "batch": batch, "threads": threads, "phase": "training"}
    spread = {"ratio_low": 1.0, "ratio_high": 9.0, "form": "contiguous, fused"}
    rates = {"ours": 100.0, **peers}
    return [
        {**key, "side": side}
        | (
            {"reason": "no compiler"}
            if rate is None
            else {"samples_per_second": rate, "ratio": 100.0 / rate, **spread}
        )
        for side, rate in rates.items()
    ]


@pytest.fixture
def speed():
    """Return a speed table in which another cell, peer or thread count is worst in each respect."""
    return pd.DataFrame(
        rows(1, 32, eager=20.0, compiled=25.0, reordered=80.0)
        + rows(1, 64, eager=40.0, compiled=None, reordered=50.0)
        + rows(2, 32, eager=50.0, compiled=60.0, reordered=90.0)
        + rows(2, 64, eager=20.0, compiled=30.0, reordered=90.0)
    )


def test_the_line_tells_the_worst_case_of_the_fewest_threads_and_that_of_more(speed):
    line = json.loads(json.dumps(cnn_tables.line(speed)))
    assert line["name"] == "cnn"
    assert (line["ours"], line["peer"], line["ratio"]) == (100.0, 40.0, 2.5)
    assert (line["unit"], line["threads"]) == ("samples/s", 1)
    assert line["case"] == "lenet5, batch 64, training, beside PyTorch eager"
    assert line["ratio_reordered"] == 1.25
    assert line["ratio_lenet5_training"] == 2.5
    assert line["ratio_2_threads"] == pytest.approx(100 / 60, abs=1e-3)
    assert line["case_2_threads"] == "lenet5, batch 32, training, beside PyTorch compiled"


# -- the cnn bench -----------------------------------------------------------------------------------------------------


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr("experiments.benchmarks.cnn.bench.usable_cores", lambda: 2)


def test_a_quick_run_is_small_and_takes_what_it_is_told(two_cores):
    (quick,) = plan(BenchOptions(quick=True))
    assert (quick.batches, quick.threads, quick.rounds, quick.compiled) == ((32,), 1, 2, False)
    told = plan(BenchOptions(quick=True, batches=(8, 16), threads=(1, 2), repeats=3))
    assert [(one.batches, one.threads, one.rounds) for one in told] == [
        ((8, 16), 1, 3),
        ((8, 16), 2, 3),
    ]
    usual = plan(BenchOptions())
    assert [one.threads for one in usual] == [1, 2]
    assert {(one.networks, one.batches) for one in usual} == {
        (("lenet5", "small_cnn"), (32, 64, 128))
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"networks": ("lenet6",)}, "networks: unknown network 'lenet6'; known: lenet5, small_cnn"),
        ({"batches": (32, 0)}, "batch: must be at least 1; got 0"),
        ({"batches": (5000,)}, "batch: must be at most 4096, the samples there are; got 5000"),
        ({"threads": (0,)}, "threads: must be at least 1; got 0"),
        (
            {"threads": (1, 3)},
            "threads: must be at most 2, the cores that this process may use; got 3",
        ),
        ({"repeats": 0}, "repeats: must be at least 1; got 0"),
    ],
)
def test_options_out_of_range_name_option_rule_and_value(two_cores, options, message):
    with pytest.raises(SettingsError, match=f"^{message}$"):
        plan(BenchOptions(**options))


def test_one_core_is_measured_with_one_thread(monkeypatch):
    monkeypatch.setattr("experiments.benchmarks.cnn.bench.usable_cores", lambda: 1)
    assert [one.threads for one in plan(BenchOptions())] == [1]


def test_networks_are_described_for_the_peer_layer_by_layer():
    network = workload.build("lenet5", workload.synthetic_samples())
    assert (network.parameter_count, network.macs) == (61_706, 416_520)
    assert peer_layers(network) == [
        ("convolution", 1, 6, (5, 5), 1, (2, 2)),
        ("tanh",),
        ("max_pooling",),
        ("convolution", 6, 16, (5, 5), 1, 0),
        ("tanh",),
        ("max_pooling",),
        ("flatten",),
        ("linear", 400, 120),
        ("tanh",),
        ("linear", 120, 84),
        ("tanh",),
        ("linear", 84, 10),
    ]


@pytest.mark.parametrize(
    "layer",
    [
        ConvolutionLayer(2, 3, kernels="shared"),
        ConvolutionLayer(2, 3, connections=[[0], [0]]),
        PoolingLayer("mean"),
        PoolingLayer("max"),
    ],
    ids=["shared kernels", "a connection table", "mean pooling", "a padded border"],
)
def test_a_layer_that_the_peer_computes_otherwise_is_refused(layer):
    layers = [layer, RasterizationLayer(), SoftmaxLayer(3)]
    network = Network(layers, (7, 7), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="layers must be those that the peer has; got "):
        peer_layers(network)


def test_rates_per_layer_count_two_operations_a_mac_and_one_pass_less_at_the_first():
    layers = [RasterizationLayer(), HiddenLayer(20), SoftmaxLayer(3)]
    network = Network(layers, (7, 7), rng=np.random.default_rng(0))
    before = network.parameters.copy()
    inputs = np.ones((16, 7, 7), np.float32)
    raster, hidden, softmax, whole = layer_rates(network, inputs, np.arange(16) % 3, passes=2)
    assert [row["macs"] for row in (raster, hidden, softmax, whole)] == [
        0,
        16 * 980,
        16 * 60,
        16 * 1040,
    ]
    assert (raster["forward_gflops"], raster["backward_us"]) == (None, None)
    assert hidden["forward_gflops"] * hidden["forward_us"] == pytest.approx(2e-3 * 16 * 980)
    assert hidden["backward_gflops"] * hidden["backward_us"] == pytest.approx(2e-3 * 16 * 980)
    assert softmax["backward_gflops"] * softmax["backward_us"] == pytest.approx(4e-3 * 16 * 60)
    assert whole["step_gflops"] * whole["step_us"] == pytest.approx(2e-3 * 16 * (2 * 980 + 3 * 60))
    np.testing.assert_array_equal(network.parameters, before)


def test_a_training_step_in_steady_state_makes_no_array_of_its_layers_size():
    samples = workload.synthetic_samples()
    network = workload.build("small_cnn", samples)
    found = workload.bytes_per_step(network, 64, 6)
    smallest = 4 * 64 * 8 * 13 * 13  # the pooled maps; NumPy's own buffers are far smaller
    assert found["transient_bytes"] < smallest / 2
    assert abs(found["kept_bytes"]) < 1000


def test_an_array_made_in_each_step_is_seen():
    network = workload.build("small_cnn", workload.synthetic_samples())
    honest = network.loss_and_gradients

    def wasteful(*batch):
        np.ones(100_000)
        return honest(*batch)

    network.loss_and_gradients = wasteful
    assert workload.bytes_per_step(network, 64, 6)["transient_bytes"] > 800_000


def test_training_that_diverges_has_no_speed():
    samples = workload.synthetic_samples()
    network = workload.build("small_cnn", samples)
    network.parameters[:] = np.nan
    with pytest.raises(ValueError, match="training must not diverge; got loss nan"):
        workload.train(network, samples, 32, 2)


@pytest.mark.slow
def test_the_start_compiles_once_and_then_finds_its_kernels():
    found = pd.DataFrame(start_rows(("small_cnn",))).pivot_table(
        index="kernels", columns="part", values="seconds"
    )
    assert found.loc["cached", "small_cnn"] < found.loc["compiled", "small_cnn"]
    assert (found["whole process"] > found["import cnn"] + found["small_cnn"]).all()


# -- the command -------------------------------------------------------------------------------------------------------


def bench(*arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bench", *map(str, arguments)])
    printed = capsys.readouterr()
    return caught.value.code or 0, printed.out, printed.err


@pytest.mark.parametrize("name", ["cnn", "maps"])
def test_without_its_peer_a_bench_says_what_to_install_and_writes_nothing(
    name, monkeypatch, capsys, tmp_path
):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if not installed
    code, out, err = bench(name, "--quick", "--results", tmp_path / "r", capsys=capsys)
    assert (code, out) == (2, "")
    assert err.strip() == (
        f'evomatrix: {name} compares with torch, which is not installed: pip install -e ".[bench]"'
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["cn"],
            "unknown benchmark 'cn'; known: cnn, control, dispatch, graph, loop, maps, mutation, "
            "rewiring, sequences",
        ),
        (["cnn", "--batch", "3x"], "batch: must be whole numbers between commas; got '3x'"),
    ],
)
def test_a_wrong_option_is_one_line_and_code_2(capsys, tmp_path, arguments, message):
    code, out, err = bench(*arguments, "--results", tmp_path / "r", capsys=capsys)
    assert (code, out, err.strip()) == (2, "", f"evomatrix: {message}")
    assert list(tmp_path.iterdir()) == []


def test_published_tables_say_nothing_of_the_folders_of_a_machine(monkeypatch, capsys, tmp_path):
    def measured(options, say):
        table = pd.DataFrame({"side": ["ours"], "seconds": [1.5]})
        return BenchResult({"speed": table}, {"name": "toy", "ratio": 2.0}, ())

    toy = Benchmark("a toy", (), lambda options: None, measured)
    monkeypatch.setitem(BENCHMARKS, "toy", toy)
    data = tmp_path / "fashion"
    published = tmp_path / "bench-toy"
    options = ("--batch", "8,16", "--quick", "--data-dir", data, "--publish", published)
    arguments = ("toy", "--results", tmp_path / "r", *options)
    code, out, _ = bench(*arguments, capsys=capsys)
    assert code == 0
    assert f"Published: {published}\n" in out
    (folder,) = (tmp_path / "r" / "benchmarks").iterdir()
    for name in ("speed.csv", "speed.parquet"):
        assert (published / name).read_bytes() == (folder / name).read_bytes()
    text = (published / "environment.json").read_text("utf-8")
    described = json.loads(text)
    assert described["command"] == "evomatrix bench toy --batch 8,16 --quick --data-dir fashion"
    assert described["result"] == {"name": "toy", "ratio": 2.0}
    assert str(tmp_path) not in text
    assert str(Path.cwd()) not in text
    assert "directory" in json.loads((folder / "environment.json").read_text("utf-8"))
    code, _, err = bench(*arguments, capsys=capsys)
    assert code == 2
    assert (
        err
        == f"evomatrix: {published}: must not exist yet, for published tables are not overwritten\n"
    )
    assert len([*(tmp_path / "r" / "benchmarks").iterdir()]) == 1


def test_the_extra_of_pyproject_names_every_peer():
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8")
    extra = re.search(r"^bench = \[\n(.*?)^\]", text, flags=re.DOTALL | re.MULTILINE)[1]
    named = set(re.findall(r'^ *"([a-z-]+)', extra, flags=re.MULTILINE))
    assert named == {peer for benchmark in BENCHMARKS.values() for peer in benchmark.peers}


@needs_torch
def test_more_threads_than_cores_are_refused_at_once(capsys, tmp_path):
    code, out, err = bench("cnn", "--threads", 4096, "--results", tmp_path / "r", capsys=capsys)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"evomatrix: threads: must be at most \d+, the cores .*; got 4096\n", err)
    assert list(tmp_path.iterdir()) == []


@needs_torch
@pytest.mark.slow
def test_a_quick_run_ends_in_one_json_line_and_leaves_its_tables(quick_bench):
    printed, tables, described = quick_bench("cnn")
    line = described["result"]
    assert {"name", "ours", "peer", "ratio", "unit"} <= line.keys()
    assert line["ratio"] == pytest.approx(line["ours"] / line["peer"], rel=1e-3)
    assert "compiled: not available (left out of a quick run)" in printed
    assert tables.keys() == {
        "agreement",
        "layers",
        "memory",
        "reproducibility",
        "speed",
        "start",
    }
    assert tables["reproducibility"]["identical"].all()
    assert set(tables["speed"]["side"]) == {"ours", "eager", "reordered", "compiled"}
    assert cnn_tables.line(tables["speed"]) == line
    assert described["packages"]["torch"].startswith("2.")
    Console(file=None, quiet=True).print(*cnn_tables.shown(tables))  # they can be shown again
