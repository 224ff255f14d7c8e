"""``python -m experiments``: the same as ``evomatrix``."""

from experiments.cli.app import main

main()
