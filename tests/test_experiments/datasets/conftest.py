"""Sources of data that several tests read."""

import shutil
from pathlib import Path

import pytest
import sklearn.datasets

ANSWERS = Path(sklearn.datasets.__file__).parent / "tests/data/openml/id_61"
"""What openml.org answers about iris, as scikit-learn's own tests keep it."""


@pytest.fixture(scope="session")
def openml_home(tmp_path_factory):
    """Return a folder in which scikit-learn finds iris of openml.org, version 1, number 61."""
    home = tmp_path_factory.mktemp("openml")
    site = home / "openml/openml.org"
    places = {
        "api-v1-jd-61.json.gz": "api/v1/json/data/61",
        "api-v1-jdf-61.json.gz": "api/v1/json/data/features/61",
        "api-v1-jdq-61.json.gz": "api/v1/json/data/qualities/61",
        "api-v1-jdl-dn-iris-l-2-dv-1.json.gz": "api/v1/json/data/list/data_name/iris/limit/2/data_version/1",
        "data-v1-dl-61.arff.gz": "data/v1/download/61/iris.arff",
    }
    for answer, place in places.items():
        path = site / f"{place}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ANSWERS / answer, path)
    return home
