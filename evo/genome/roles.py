"""Roles of nodes."""

from enum import IntEnum


class Role(IntEnum):
    """The role of a node. Node tables and files contain these numbers."""

    INPUT = 0
    HIDDEN = 1
    OUTPUT = 2
