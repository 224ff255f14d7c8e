"""The page around the sections: styles, script, the library that draws, and a policy that forbids the network."""

import base64
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from experiments.report.blocks.html import escaped, paragraph

FOOTER = "Written by EvoMatrix. Plotly.js (MIT licence), which is in this file, draws the figures."

RELOAD_SECONDS = 10
"""Seconds after which the page of an unfinished run loads itself again."""


@dataclass(frozen=True)
class Part:
    """One section of the page.

    Attributes
    ----------
    anchor : str
    title : str
    content : str
        HTML.
    """

    anchor: str
    title: str
    content: str


def page(title: str, about: str, parts: Sequence[Part], *, reload: bool) -> str:
    """Return a whole page that needs no other file and no network.

    Parameters
    ----------
    title : str
        The heading.
    about : str
        The sentence below it.
    parts : sequence of Part
    reload : bool
        Whether the page loads itself again and again, because it is written again while a run goes on.
    """
    script, library = _asset("report.js"), _library()
    links = "".join(
        f'<li><a href="#{escaped(one.anchor)}">{escaped(one.title)}</a></li>' for one in parts
    )
    sections = "".join(
        f'<section id="{escaped(one.anchor)}"><h2>{escaped(one.title)}</h2>{one.content}</section>\n'
        for one in parts
    )
    refresh = f'<meta http-equiv="refresh" content="{RELOAD_SECONDS}">\n' if reload else ""
    going_on = "This page is written again while the run goes on, and loads itself every "
    note = paragraph(f"{going_on}{RELOAD_SECONDS} seconds.", "unfinished") if reload else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(script, library)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
{refresh}<title>{escaped(title)}</title>
<style>{_asset("report.css")}</style>
</head>
<body>
<header><h1>{escaped(title)}</h1>{paragraph(about)}{note}</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main>
{sections}</main>
<footer>{paragraph(FOOTER)}</footer>
<script type="text/plain" id="library">{_packed_library()}</script>
<script>{script}</script>
</body>
</html>
"""


def _policy(*scripts: str) -> str:
    """Return a policy that lets these scripts run and no other one, and forbids every connection.

    Plotly adds styles of its own; pictures that a reader saves are made in the page.
    """
    digests = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in scripts
    )
    return (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _asset(name: str) -> str:
    return (files("experiments.report") / name).read_text("utf-8")


@cache
def _library() -> str:
    """Return the source of Plotly.js; the file is read when a report is written, not before."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - slow to import

    return str(get_plotlyjs())


@cache
def _packed_library() -> str:
    """Return the source of Plotly.js as base64 of gzip, a third of its length; equal texts are packed alike."""
    return base64.b64encode(gzip.compress(_library().encode(), 9, mtime=0)).decode("ascii")
