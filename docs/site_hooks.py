"""What `make docs` adds to the pages of this folder, which stay as they are read in a checkout.

* The README is the first page; CONTRIBUTING.md, CHANGELOG.md and results/README.md are pages too.
* A file outside this folder that a page links to gets a page with its text, so no link leads out of the site.
* The API pages list the public names of each package; mkdocstrings fills in their docstrings.
* A notebook is shown as its cells.
"""

import ast
import json
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "evo": "Genomes, operators, policies, networks that train, evolution.",
    "experiments": "Data sets, settings, runs, studies, results, pictures, reports.",
    "cnn": "Layers, networks of layers, training.",
    "graphops": "Linear algebra on adjacency matrices.",
}
OF_ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "results/README.md": "results.md",
}
"""Pages outside this folder, and what they are called in the site."""

FENCE = re.compile(r"^(```+).*?^\1[ ]*$", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:)([^()#\s]+)(#[^()\s]*)?\)")
ROLE = re.compile(r":(?:func|class|mod|meth|data|attr|exc):<code>~?([\w.]+)</code>")
LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json"}


def on_files(files, *, config):
    """Add the pages that are no files of this folder."""
    texts = {path: (ROOT / path).read_text("utf-8") for path in OF_ROOT}
    for file in list(files):
        path = f"docs/{file.src_uri}"
        if path.endswith(".md"):
            texts[path] = file.content_string
        elif path.endswith(".ipynb"):
            files.remove(file)
            texts[path] = _cells(json.loads(file.content_string))
    added = {
        place(path): relinked(text, path)
        for path, text in texts.items()
        if place(path) != path.removeprefix("docs/")
    }
    added |= {f"api/{package}.md": _names_of(package) for package in PACKAGES}
    linked = set().union(*(targets(text, path) for path, text in texts.items()))
    added |= {place(path): _source(path) for path in linked if place(path).startswith("source/")}
    for name, text in sorted(added.items()):
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown, *, page, config, files):
    """Let links out of this folder lead to pages of the site."""
    return markdown if page.file.generated_by else relinked(markdown, f"docs/{page.file.src_uri}")


def on_page_content(html, *, page, config, files):
    """Show the roles of docstrings as code."""
    return ROLE.sub(r"<code>\1</code>", html)


def place(path):
    """Return which page of the site shows a file or folder; paths begin at the root of the checkout."""
    if path in OF_ROOT:
        return OF_ROOT[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/").replace(".ipynb", ".md")
    return f"source/{path}/index.md" if (ROOT / path).is_dir() else f"source/{path}.md"


def targets(text, path):
    """Return the paths to which the links of a page lead."""
    return {_target(link[1], path) for prose, _ in _parts(text) for link in LINK.finditer(prose)}


def relinked(text, path):
    """Return the text of a page with links to pages of the site."""
    here = posixpath.dirname(place(path)) or "."

    def other(link):
        there = posixpath.relpath(place(_target(link[1], path)), here)
        return f"]({there}{link[2] or ''})"

    return "".join(LINK.sub(other, prose) + code for prose, code in _parts(text))


def _target(link, path):
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _parts(text):
    """Yield the prose before each block of code, and the block."""
    end = 0
    for block in FENCE.finditer(text):
        yield text[end : block.start()], block[0]
        end = block.end()
    yield text[end:], ""


def _cells(notebook):
    """Return the cells of a notebook as a page."""
    shown = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        shown.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(shown) + "\n"


def _names_of(package):
    """Return a page that names everything public in a package, room by room."""
    stub = ROOT / package / "__init__.pyi"
    source = stub if stub.exists() else stub.with_suffix(".py")
    names = {}
    for node in ast.parse(source.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.level or node.module.startswith(package)):
            module = f"{package}.{node.module}" if node.level else node.module
            room = module.split(".")[1] if stub.exists() else module.split(".")[-1]
            names.setdefault(room, []).extend(f"{module}.{alias.name}" for alias in node.names)
    parts = [f"# {package}", PACKAGES[package]]
    for room, of_room in names.items():
        parts.append(f"## {room}")
        parts += [f"::: {name}\n    options:\n      heading_level: 3" for name in of_room]
    return "\n\n".join(parts) + "\n"


def _source(path):
    """Return a page with the text of a file, or with the names in a folder; the search leaves it out."""
    found, lines = ROOT / path, ["---", "search:", "  exclude: true", "---", f"# {path}", ""]
    if found.is_dir():
        lines += [f"* {one.name}" for one in sorted(found.iterdir()) if one.name[0] not in "._"]
    else:
        language = LANGUAGES.get(found.suffix, "text")
        lines += [f"````{language}", found.read_text("utf-8").rstrip(), "````"]
    return "\n".join(lines) + "\n"
