"""TensorBoard and MLflow hold what the tables hold, read back from what was really written."""

import struct
import sys

import pytest

from experiments import Callback, Experiment, StopRun, load_results, resume, run
from experiments.cli.app import main
from experiments.progress import MLflow, TensorBoard
from experiments.progress.tracker import MissingPackageError

LITTLE = Experiment(
    name="little",
    seeds=1,
    dataset={"name": "xor", "options": {"n_samples": 40}},
    founders={"hidden": 3},
    evolution={"population": 2, "generations": 1, "steps_per_generation": 3},
    baseline={"arms": ["mlp"], "hidden": 2},
)


def begin(folder, **options):
    fixed = {"workers": 0, "figures": False, "run_name": "one"}
    return run(LITTLE, results=folder, **(fixed | options))


def expected_values(results):
    """Return (name, step): value, from the tables of a run."""
    expected = {}
    for _, row in results.generations.iterrows():
        found = {
            "best_fitness": row["best_fitness"],
            "best_validation_loss": row["best_validation_loss"],
            "best_validation_accuracy": row["best_validation_accuracy"],
            "n_failures": row["n_failures"],
        }
        individuals = results.individuals.set_index(["seed", "individual"])
        best = individuals.loc[(row["seed"], row["best_individual"])]
        found["best_n_effective"] = best["n_effective"]
        population = results.population_at(row["generation"]).query(f"seed == {row['seed']}")
        found["median_fitness"] = population["fitness"].median()
        for name, value in found.items():
            expected[f"seed-{row['seed']}/{name}", row["generation"]] = value
    for _, row in results.baseline.iterrows():
        for name in ("loss", "accuracy"):
            key = f"seed-{row['seed']}/mlp/trained_validation_{name}"
            expected[key, row["steps"]] = row[f"validation_{name}"]
    for _, row in results.comparison.iterrows():
        for name in ("test_loss", "test_accuracy"):
            expected[f"seed-{row['seed']}/{row['arm']}/{name}", 0] = row[name]
    return expected


def assert_values(found, results):
    expected = expected_values(results)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-6)


class Stopping(Callback):
    def generation(self, event):
        if event.generation.number == 0:
            raise StopRun("enough")


# -- TensorBoard -------------------------------------------------------------------------------------------------------


def read_events(folder):
    """Return the scalars and texts in the event files of a folder, read by their format: length, CRC, message, CRC."""
    event_pb2 = pytest.importorskip(
        "tensorboardX.proto.event_pb2", reason="pip install tensorboardX"
    )
    scalars, texts = {}, {}
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            for value in event.summary.value:
                if value.HasField("tensor"):
                    texts[value.tag] = value.tensor.string_val[0].decode()
                else:
                    scalars[value.tag, event.step] = value.simple_value
    return scalars, texts


def test_tensorboard_has_the_values_of_the_tables_and_goes_on_with_a_run_that_was_stopped(tmp_path):
    stopped = begin(tmp_path, callbacks=[TensorBoard(), Stopping()])
    scalars, texts = read_events(stopped.path / "tensorboard")
    assert texts["stopped/text_summary"] == "Stopping: enough"
    assert "| evolution.population | 2 |" in texts["settings/text_summary"]
    assert "seed-0/mlp/test_loss" not in {name for name, _ in scalars}

    results = resume(stopped.path, workers=0, figures=False, callbacks=[TensorBoard()])
    scalars, texts = read_events(results.path / "tensorboard")
    assert_values(scalars, results)
    assert results.verdicts()[0] in texts["verdicts/text_summary"]


def test_the_command_writes_for_tensorboard_and_baselines_have_epochs(tmp_path, capsys):
    values = {"seeds": 1, "evolve": False, "baseline": {"arms": ["mlp"], "hidden": 2, "epochs": 3}}
    fixed = Experiment(name="fixed", dataset=LITTLE.dataset, **values)
    settings, logs = tmp_path / "fixed.json", tmp_path / "logs"
    settings.write_text(fixed.model_dump_json())
    with pytest.raises(SystemExit):
        main(
            [
                "run",
                str(settings),
                "--results",
                str(tmp_path),
                "--quiet",
                "--tensorboard",
                str(logs),
            ]
        )
    results = load_results(capsys.readouterr().out.strip())
    scalars, _ = read_events(logs / results.path.name)
    rows = results.training.dropna(subset="validation_loss")
    for name in ("validation_loss", "validation_accuracy"):
        told = [scalars[f"seed-0/mlp/{name}", epoch] for epoch in (1, 2, 3)]
        assert told == pytest.approx(rows[name].tolist(), rel=1e-6)
    assert scalars["seed-0/mlp/train_loss", 1] > 0


# -- MLflow ------------------------------------------------------------------------------------------------------------


def read_store(uri):
    """Return the run in a store of MLflow, and all values of its metrics by name and step."""
    tracking = pytest.importorskip("mlflow.tracking", reason="pip install mlflow-skinny")
    client = tracking.MlflowClient(uri)
    experiment = client.get_experiment_by_name("mine")
    (found,) = client.search_runs([experiment.experiment_id])
    values = {
        (name, one.step): one.value
        for name in found.data.metrics
        for one in client.get_metric_history(found.info.run_id, name)
    }
    return found, values


@pytest.mark.slow  # the import of MLflow and the making of its database take seconds each
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mlflow_has_the_values_of_the_tables_and_goes_on_with_a_run_that_was_stopped(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folder = tmp_path / "Ann's runs"
    begin(folder, callbacks=[MLflow(uri, "mine"), Stopping()])
    found, values = read_store(uri)
    assert (found.info.run_name, found.info.status) == ("one", "KILLED")
    assert found.data.tags["evomatrix.stopped"] == "Stopping: enough"
    assert "seed-0/mlp/test_loss" not in {name for name, _ in values}

    results = resume(folder / "one", workers=0, figures=False, callbacks=[MLflow(uri, "mine")])
    found, values = read_store(uri)
    assert found.info.status == "FINISHED"
    assert "evomatrix.stopped" not in found.data.tags
    assert results.verdicts()[0] in found.data.tags["evomatrix.verdicts"]
    assert found.data.params["evolution.population"] == "2"
    assert found.data.params["training.learning_rate"] == str(LITTLE.training.learning_rate)
    assert_values(values, results)


# -- packages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tracker", "module", "extra"),
    [(TensorBoard, "tensorboardX", "tensorboard"), (MLflow, "mlflow.tracking", "mlflow")],
)
def test_a_missing_package_is_one_line_that_says_what_to_install(
    tracker, module, extra, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)
    name = module.partition(".")[0]
    with pytest.raises(MissingPackageError) as told:
        tracker()
    assert str(told.value).startswith(f'{name} must be installed: pip install "evomatrix[{extra}]"')
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("option", "module"), [("--tensorboard", "tensorboardX"), ("--mlflow", "mlflow.tracking")]
)
def test_the_command_refuses_a_missing_package_before_any_work(
    option, module, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as ended:
        main(["run", "xor", "--results", str(tmp_path / "r"), option, str(tmp_path / "logs")])
    assert ended.value.code == 2
    name = module.partition(".")[0]
    assert capsys.readouterr().err.startswith(f"evomatrix: {name} must be installed: pip install ")
    assert list(tmp_path.iterdir()) == []
