"""The order of nodes in an editor, and which row and column of the matrix each node has.

Inside an editor, nodes, rows and columns have *numbers* that never change: the parent's node indices, and new numbers
for new nodes. Operator B exchanges the column numbers of two nodes, D their row numbers, and H changes the order. So
none of them moves an entry of the matrix. An *index* is a node's current place in the order, as users see it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.editing.column_kernels import NOWHERE

Ints = NDArray[np.integer[Any]]


class NodeOrder:
    """The permutations of an editor, each with its inverse.

    Attributes
    ----------
    order : ndarray of int, shape (n,)
        Number of the node at each index.
    index_of : ndarray of int
        Index of each node, NOWHERE if it was removed.
    row_of, column_of : ndarray of int
        Row and column of each node.
    node_of_row, node_of_column : ndarray of int
        Node of each row and column.
    moved : bool
        Whether the order may differ from that of the numbers.
    untouched : bool
        Whether nothing has been exchanged, moved, inserted or removed.
    """

    def __init__(self, n: int) -> None:
        self.order, self.index_of = np.arange(n), np.arange(n)
        self.row_of, self.node_of_row = np.arange(n), np.arange(n)
        self.column_of, self.node_of_column = np.arange(n), np.arange(n)
        self.moved, self.untouched = False, True

    def copy(self) -> "NodeOrder":
        """Return a copy."""
        twin = object.__new__(type(self))
        twin.order, twin.index_of = self.order.copy(), self.index_of.copy()
        twin.row_of, twin.node_of_row = self.row_of.copy(), self.node_of_row.copy()
        twin.column_of, twin.node_of_column = self.column_of.copy(), self.node_of_column.copy()
        twin.moved, twin.untouched = self.moved, self.untouched
        return twin

    @property
    def unchanged(self) -> bool:
        """Whether every node, its row and its column have the number of its index."""
        every = np.arange(len(self.index_of))
        return all(np.array_equal(now, every) for now in (self.order, self.row_of, self.column_of))

    def rows(self, indices: Any) -> Any:
        """Return the rows of the nodes at some indices."""
        if self.untouched and isinstance(indices, np.ndarray):
            return indices
        return self.row_of[self.order[indices]]

    def columns(self, indices: Any) -> Any:
        """Return the columns of the nodes at some indices."""
        if self.untouched and isinstance(indices, np.ndarray):
            return indices
        return self.column_of[self.order[indices]]

    def indices_of_rows(self, rows: Any = slice(None)) -> Ints:
        """Return the indices of the nodes that have some rows, by default all."""
        indices: Ints = self.index_of[self.node_of_row[rows]]
        return indices

    def indices_of_columns(self, columns: Ints) -> Ints:
        """Return the indices of the nodes that have some columns."""
        return self.index_of[self.node_of_column[columns]]

    def swap_rows(self, indices: list[int]) -> None:
        """Exchange the rows of the nodes at two indices."""
        self.untouched = False
        _swap(self.order[indices], self.row_of, self.node_of_row)

    def swap_columns(self, indices: list[int]) -> None:
        """Exchange the columns of the nodes at two indices."""
        self.untouched = False
        _swap(self.order[indices], self.column_of, self.node_of_column)

    def reorder(self, order: Ints) -> None:
        """Put the node at index ``order[k]`` at index k."""
        self._note_move()
        self.order = self.order[order]
        self.index_of[self.order] = np.arange(len(order))

    def move(self, source: int, destination: int) -> None:
        """Take a node out of the order and insert it at another index: O(distance)."""
        self._note_move()
        low, high = min(source, destination), max(source, destination) + 1
        shift = 1 if destination < source else -1
        self.order[low:high] = np.roll(self.order[low:high], shift)
        self.index_of[self.order[low:high]] = np.arange(low, high)

    def insert(self, index: int) -> None:
        """Insert a new node, with a new row and a new column, at an index."""
        self._note_move()
        number = len(self.index_of)
        self.row_of, self.node_of_row, self.column_of, self.node_of_column = (
            np.append(numbers, number)
            for numbers in (self.row_of, self.node_of_row, self.column_of, self.node_of_column)
        )
        self.index_of = np.append(self.index_of, index)
        self.order = np.insert(self.order, index, number)
        self.index_of[self.order[index:]] = np.arange(index, len(self.order))

    def remove(self, index: int) -> None:
        """Remove the node at an index from the order."""
        self._note_move()
        self.index_of[self.order[index]] = NOWHERE
        self.order = np.delete(self.order, index)
        self.index_of[self.order[index:]] = np.arange(index, len(self.order))

    def _note_move(self) -> None:
        self.moved, self.untouched = True, False


def _swap(two: Ints, line_of: Ints, node_of: Ints) -> None:
    lines = line_of[two[::-1]]
    line_of[two], node_of[lines] = lines, two


def sort_entries(rows: Ints, columns: Ints) -> tuple[NDArray[np.intp], int | None]:
    """Return the order of entries by column and then row, and the index of an entry named twice or None."""
    ascending = np.lexsort((rows, columns))
    twice = (np.diff(rows[ascending]) == 0) & (np.diff(columns[ascending]) == 0)
    return ascending, int(ascending[np.argmax(twice)]) if twice.any() else None
