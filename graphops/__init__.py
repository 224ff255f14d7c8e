"""Linear algebra on adjacency matrices."""
