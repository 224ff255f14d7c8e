"""LeNet-5 alone on the published data sets, where they are at hand: what the presets promise."""

import pytest

from experiments import Dataset, load_dataset, load_experiment, run


@pytest.mark.slow
def test_an_epoch_on_a_fifth_of_mnist_is_a_good_beginning(published, tmp_path):
    whole = load_dataset("idx", data_dir=published("mnist"))
    test = tuple(part[:2000] for part in whole.test)
    part = Dataset("a-fifth", whole.inputs[:12_000], whole.targets[:12_000], whole.classes, test)
    experiment = load_experiment("lenet-mnist")
    baseline = experiment.baseline.model_copy(update={"epochs": 1})
    short = experiment.model_copy(update={"seeds": 1, "baseline": baseline})
    results = run(short, dataset=part, results=tmp_path)
    row = results.comparison.iloc[0]
    assert (row["parameters"], row["macs"]) == (61_706, 416_520)
    assert row["test_accuracy"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "name", "bar"),
    [("lenet-mnist", "mnist", 0.989), ("lenet-fashion", "fashion-mnist", 0.905)],
)
def test_ten_epochs_reach_the_bar(published, tmp_path, preset, name, bar):
    options = {"data_dir": str(published(name))}
    experiment = load_experiment(preset)
    dataset = experiment.dataset.model_copy(update={"options": options})
    results = run(experiment.model_copy(update={"dataset": dataset}), results=tmp_path)
    assert results.summary()["test_accuracy"].item() >= bar
