"""What the tests of reports share: the parts of a page, and results whose names would harm a careless page."""

import dataclasses
import json
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from experiments import Dataset, load_results, run

HOSTILE = "</script><img src=x onerror=alert(1)><b>%{x}"
"""A name that a page must show and must not obey."""


class Page(HTMLParser):
    """The elements of a page: tags, attributes, texts of scripts, cells of tables, sections."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.scripts, self.texts = [], [], [], []
        self.rows, self.left_out, self._open = [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        self._open = tag, dict(attributes)
        if tag == "script":
            self.scripts.append((dict(attributes).get("type"), ""))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append(dict(attributes).get("data-key", ""))
        if tag == "p" and dict(attributes).get("class") == "left-out":
            self.left_out.append("")

    def handle_data(self, data):
        if self._open is None:
            return
        tag, attributes = self._open
        if tag == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = kind, text + data
        elif tag == "p" and attributes.get("class") == "left-out":
            self.left_out[-1] += data
        self.texts.append(data)

    def handle_endtag(self, tag):
        self._open = None

    @property
    def specifications(self):
        """What the figures draw."""
        return [json.loads(text) for kind, text in self.scripts if kind == "application/json"]


@pytest.fixture(scope="session")
def parsed():
    """Return the function that reads a page."""
    return Page


@pytest.fixture(scope="session")
def hostile_name():
    return HOSTILE


@pytest.fixture(scope="session")
def hostile(tiny, tmp_path_factory):
    """Return results in which the run, a feature, a class and an arm have the hostile name."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    labels = np.where(X[:, 0] > 0, HOSTILE, "other")
    data = Dataset.from_arrays(X, labels, feature_names=[HOSTILE, "second"])
    folder = tmp_path_factory.mktemp("hostile")
    settings = tiny(
        name="hostile",
        seeds=1,
        evolution={"population": 2, "generations": 2, "steps_per_generation": 5},
        baseline={"arms": ["mlp"]},
    )
    run(settings, dataset=data, workers=0, results=folder, run_name="plain", figures=False)
    shutil.move(folder / "plain", folder / HOSTILE.replace("/", "\u2215"))
    results = load_results(folder)
    changed = {
        name: getattr(results, name).replace({"arm": "mlp"}, HOSTILE)
        for name in ("comparison", "baseline", "training")
    }
    return dataclasses.replace(results, **changed)
