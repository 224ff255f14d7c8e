"""Experiments: data sets, settings, arms, comparison, results - and the command line.

experiment = load_experiment("digits")
results = run(experiment)
print(results.summary())
"""

import lazy_loader

import evo

if "Genome" not in getattr(evo, "__all__", ()):
    raise ImportError(
        f"the package evo at {evo.__file__} is not EvoMatrix's: PyPI's package evo (odometry) has the same import "
        "name; uninstall it, or install EvoMatrix into an environment of its own"
    )

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
