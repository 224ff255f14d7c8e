"""Experiments: data sets, settings, arms, comparison, results - and the command line.

experiment = load_experiment("digits")
results = run(experiment)
print(results.summary())
"""

from evo.predictor import load_network
from experiments.baseline_predictor import BaselinePredictor, load_baseline
from experiments.config import Experiment, load_experiment, preset_names
from experiments.datasets import DATASETS, Dataset, load_dataset
from experiments.results import Results, load_results
from experiments.runner import run
from experiments.study import Study, load_study, run_study

__all__ = [
    "DATASETS",
    "BaselinePredictor",
    "Dataset",
    "Experiment",
    "Results",
    "Study",
    "load_baseline",
    "load_dataset",
    "load_experiment",
    "load_network",
    "load_results",
    "load_study",
    "preset_names",
    "run",
    "run_study",
]
