"""The search as scikit-learn estimators: ``fit`` evolves a network, ``predict`` uses the winner.

The estimators call :func:`experiments.run`. What scikit-learn asks of rows and targets is checked here, before a run.
"""

from experiments.estimators.estimators import EvolvedClassifier, EvolvedRegressor

__all__ = ["EvolvedClassifier", "EvolvedRegressor"]
