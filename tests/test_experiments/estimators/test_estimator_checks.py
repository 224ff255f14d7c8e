"""scikit-learn's own checks of an estimator, all of them."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from experiments import EvolvedClassifier, EvolvedRegressor

TINY = {
    "population": 2,
    "generations": 1,
    "steps_per_generation": 50,
    "founders": {"hidden": 4, "density": 0.5},
    "training": {"learning_rate": 0.05},
}


@parametrize_with_checks([EvolvedClassifier(**TINY), EvolvedRegressor(**TINY)])
def test_scikit_learn_accepts_the_estimators(estimator, check):
    check(estimator)
