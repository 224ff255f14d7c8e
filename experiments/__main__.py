"""``python -m experiments``: the same as ``evomatrix``."""

from experiments.cli import main

main()
