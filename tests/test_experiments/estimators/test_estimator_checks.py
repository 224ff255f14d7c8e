"""scikit-learn's own checks of an estimator, all of them."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from experiments import EvolvedClassifier, EvolvedRegressor

TINY = {
    "population": 2,
    "generations": 1,
    "steps_per_generation": 50,
    "founders": {"hidden": 4, "density": 0.5},
    "training": {"learning_rate": 0.05},
}


@pytest.mark.slow
@parametrize_with_checks([EvolvedRegressor(**TINY)])
def test_scikit_learn_accepts_the_regressor(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([EvolvedClassifier(**TINY)])
def test_scikit_learn_accepts_the_classifier(estimator, check):
    check(estimator)
