"""Which row and which column a node has, and where it stands, while an edit session moves them about.

Nodes, rows and columns are numbered by the parent's positions, and new ones as they come; the numbers never change.
Operator B exchanges two nodes' columns, D their rows, H positions: each an exchange of numbers here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.editing.column_kernels import NOWHERE

Ints = NDArray[np.integer[Any]]


class NodeOrder:
    """The permutations of an edit session, each with its inverse.

    Attributes
    ----------
    order : ndarray of int, shape (n,)
        The node at each position.
    place : ndarray of int
        The position of each node, NOWHERE where it was removed.
    row_of, column_of : ndarray of int
        Of each node.
    node_of_row, node_of_column : ndarray of int
        The node that has them.
    """

    def __init__(self, n: int) -> None:
        self.order, self.place = np.arange(n), np.arange(n)
        self.row_of, self.node_of_row = np.arange(n), np.arange(n)
        self.column_of, self.node_of_column = np.arange(n), np.arange(n)

    @property
    def unmoved(self) -> bool:
        """Whether every node, its row and its column have the number of its position."""
        every = np.arange(len(self.place))
        return all(np.array_equal(now, every) for now in (self.order, self.row_of, self.column_of))

    def rows(self, positions: Any) -> Any:
        """Return the row of the node at each of some positions."""
        return self.row_of[self.order[positions]]

    def columns(self, positions: Any) -> Any:
        """Return the column of the node at each of some positions."""
        return self.column_of[self.order[positions]]

    def places_of_rows(self, rows: Any = slice(None)) -> Ints:
        """Return the positions of the nodes that have some rows, or all."""
        places: Ints = self.place[self.node_of_row[rows]]
        return places

    def places_of_columns(self, columns: Ints) -> Ints:
        """Return the positions of the nodes that have some columns."""
        return self.place[self.node_of_column[columns]]

    def swap_rows(self, positions: list[int]) -> None:
        """Exchange the rows of the nodes at two positions."""
        nodes = self.order[positions]
        rows = self.row_of[nodes[::-1]]
        self.row_of[nodes], self.node_of_row[rows] = rows, nodes

    def swap_columns(self, positions: list[int]) -> None:
        """Exchange the columns of the nodes at two positions."""
        nodes = self.order[positions]
        columns = self.column_of[nodes[::-1]]
        self.column_of[nodes], self.node_of_column[columns] = columns, nodes

    def reorder(self, order: Ints) -> None:
        """Put the node at position ``order[p]`` at position p."""
        self.order = self.order[order]
        self.place[self.order] = np.arange(len(order))

    def move(self, source: int, destination: int) -> None:
        """Take a node out of the order and put it in again elsewhere: O(distance)."""
        low, high = min(source, destination), max(source, destination) + 1
        shift = 1 if destination < source else -1
        self.order[low:high] = np.roll(self.order[low:high], shift)
        self.place[self.order[low:high]] = np.arange(low, high)

    def insert(self, position: int) -> None:
        """Put a new node, with a new row and a new column, at a position."""
        number = len(self.place)
        self.row_of, self.node_of_row = (
            np.append(self.row_of, number),
            np.append(self.node_of_row, number),
        )
        self.column_of = np.append(self.column_of, number)
        self.node_of_column = np.append(self.node_of_column, number)
        self.place = np.append(self.place, position)
        self.order = np.insert(self.order, position, number)
        self.place[self.order[position:]] = np.arange(position, len(self.order))

    def remove(self, position: int) -> None:
        """Take the node at a position out of the order."""
        self.place[self.order[position]] = NOWHERE
        self.order = np.delete(self.order, position)
        self.place[self.order[position:]] = np.arange(position, len(self.order))


def sort_entries(rows: Ints, columns: Ints) -> tuple[NDArray[np.intp], int | None]:
    """Return what puts entries in order, by column and then by row, and one of those named twice, if there is any."""
    ascending = np.lexsort((rows, columns))
    twice = (np.diff(rows[ascending]) == 0) & (np.diff(columns[ascending]) == 0)
    return ascending, int(ascending[np.argmax(twice)]) if twice.any() else None
