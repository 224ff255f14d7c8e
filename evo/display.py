"""How objects show themselves: one line in a console, a small table in a notebook."""

import html
from collections.abc import Mapping

from cnn.checks import brief


def line_of(shown: object, facts: Mapping[str, object]) -> str:
    """Return a ``repr`` of one line: the name of the class and some facts.

    Examples
    --------
    >>> line_of([], {"n": 3, "name": "a"})
    "list(n=3, name='a')"
    """
    told = ", ".join(f"{name}={brief(value)}" for name, value in facts.items())
    return f"{type(shown).__name__}({told})"


def table_of(shown: object, facts: Mapping[str, object]) -> str:
    """Return a small table as HTML, of which a notebook shows one row per fact; texts are escaped.

    Examples
    --------
    >>> table_of([], {"name": "<b>"})
    '<table><caption>list</caption><tr><th>name</th><td>&lt;b&gt;</td></tr></table>'
    """
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(_text(value))}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table><caption>{type(shown).__name__}</caption>{rows}</table>"


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        text = value if isinstance(value, str) else str(value)
        return text if len(text) <= 200 else f"{text[:200]}…"
    return f"{value:,}"
