"""The documentation site: every page stands in its menu, no link leads out of it, and the build warns of nothing."""

import ast
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


class _Settings(yaml.SafeLoader):
    """Reads mkdocs.yml without the functions that it names."""


_Settings.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def settings():
    return yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), _Settings)


def pages_of(menu):
    """Yield the pages of a menu, in its order."""
    for entry in menu:
        below = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if isinstance(below, str):
            yield below
        else:
            yield from pages_of(below)


def hooks():
    """Return the names of the site's hooks, without the library that they need."""
    source = (ROOT / "docs" / "site_hooks.py").read_text("utf-8")
    names = {"__file__": str(ROOT / "docs" / "site_hooks.py")}
    tree = ast.parse(source)
    tree.body = [
        one
        for one in tree.body
        if not (isinstance(one, ast.ImportFrom) and one.module.startswith("mkdocs"))
    ]
    exec(compile(tree, "docs/site_hooks.py", "exec"), names)
    return names


def test_every_page_stands_in_the_menu_once():
    written = [
        path.relative_to(ROOT / "docs").with_suffix(".md").as_posix()
        for path in (ROOT / "docs").rglob("*")
        if path.suffix in {".md", ".ipynb"}
    ]
    names = hooks()
    made = [*names["OF_ROOT"].values(), *(f"api/{one}.md" for one in names["PACKAGES"])]
    assert sorted(pages_of(settings()["nav"])) == sorted([*written, *made])


@pytest.mark.parametrize(
    ("path", "text", "shown"),
    [
        ("docs/a.md", "[b](b.md#c)", "[b](b.md#c)"),
        ("docs/a.md", "[b](../CHANGELOG.md)", "[b](changes.md)"),
        ("docs/studies/a.md", "[b](../../README.md)", "[b](../index.md)"),
        ("docs/a.md", "[b](../evo/errors.py)", "[b](source/evo/errors.py.md)"),
        ("docs/studies/a.md", "[b](../../evo/files.py)", "[b](../source/evo/files.py.md)"),
        ("docs/a.md", "[b](../evo/operators/)", "[b](source/evo/operators/index.md)"),
        ("README.md", "![b](docs/idea.png)", "![b](idea.png)"),
        ("results/README.md", "[b](../docs/tables.md#runs)", "[b](tables.md#runs)"),
        ("docs/notebooks/n.ipynb", "[b](../tables.md)", "[b](../tables.md)"),
        ("docs/a.md", "[b](notebooks/n.ipynb)", "[b](notebooks/n.md)"),
        ("docs/a.md", "[b](https://numba.pydata.org)", "[b](https://numba.pydata.org)"),
        ("docs/a.md", "```python\nf[0](../evo)\n```", "```python\nf[0](../evo)\n```"),
    ],
)
def test_links_lead_to_pages_of_the_site(path, text, shown):
    assert hooks()["relinked"](text, path) == shown


@pytest.mark.parametrize("package", ["cnn", "evo", "experiments", "graphops"])
def test_the_reference_has_every_public_name_once(package):
    public = sys.modules.get(package) or __import__(package)
    listed = re.findall(r"^::: ([\w.]+)$", hooks()["_names_of"](package), flags=re.MULTILINE)
    assert sorted(name.rpartition(".")[2] for name in listed) == sorted(public.__all__)


class _Page(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self.links += [
            (tag, given[name]) for name in ("href", "src") if given.get(name) is not None
        ]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site, which is an error if anything is warned of."""
    pytest.importorskip("mkdocs", reason="MkDocs is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_every_link_and_anchor_of_the_site_exists_and_nothing_is_loaded_from_elsewhere(site):
    pages = {path: _Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 60
    wrong = []
    for path, page in pages.items():
        for tag, link in page.links:
            target = urlsplit(link)
            if target.scheme or target.netloc:
                if tag != "a" and target.scheme != "data":
                    wrong.append(f"{path.name} loads {link}")
                continue
            if path.name == "404.html":
                continue  # its links begin at the root of a server
            found = (path.parent / unquote(target.path)).resolve() if target.path else path
            if not found.is_file():
                wrong.append(f"{path.name}: {link}")
                continue
            anchors = pages[found].anchors if found in pages else set()
            if target.fragment and found in pages and unquote(target.fragment) not in anchors:
                wrong.append(f"{path.name}: no anchor {link}")
    assert wrong == []


@pytest.mark.slow
def test_the_search_knows_every_public_class_and_every_page(site):
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    titles = {entry["title"] for entry in index["docs"]}
    locations = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"Glossary", "Concepts", "Statistics"} <= {re.sub("<.*?>", "", one) for one in titles}
    assert {"api/evo.html", "settings.html", "notebooks/first-evolution.html"} <= locations
    assert not any(one.startswith("source/") for one in locations)
    anchors = {entry["location"].partition("#")[2] for entry in index["docs"]}
    assert {"evo.genome.genome.Genome", "experiments.studies.runner.run"} <= anchors
