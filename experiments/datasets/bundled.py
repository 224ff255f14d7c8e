"""Data sets that come with scikit-learn; they need no download."""

import numpy as np

from experiments.datasets.dataset import Dataset


def digits() -> Dataset:
    """Return 1,797 handwritten digits (UCI optical recognition, test part; Alpaydin & Kaynak 1998).

    Returns
    -------
    Dataset
        Inputs (1797, 8, 8), ink in 0 … 16; classes 0 … 9.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to import

    bundle = load_digits()
    return Dataset(
        "digits",
        bundle.images.astype(np.float32),
        bundle.target.astype(np.int64),
        tuple(bundle.target_names.tolist()),
    )


def diabetes() -> Dataset:
    """Return measurements of 442 patients and the progression of their diabetes in a year (Efron et al. 2004).

    Returns
    -------
    Dataset
        Inputs (442, 10): age, sex, body-mass index, blood pressure and six blood values, in their
        own units; targets (442, 1): the progression, 25 … 346.
    """
    from sklearn.datasets import load_diabetes  # noqa: PLC0415 - slow to import

    bundle = load_diabetes(scaled=False)
    return Dataset.from_arrays(
        bundle.data.astype(np.float32),
        bundle.target,
        name="diabetes",
        task="regression",
        feature_names=bundle.feature_names,
    )
