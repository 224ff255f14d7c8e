"""What nodes are for."""

from enum import IntEnum


class Role(IntEnum):
    """What a node is for; the values stand in node tables and files."""

    INPUT = 0
    HIDDEN = 1
    OUTPUT = 2
