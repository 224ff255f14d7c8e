"""Link prediction against a count of all paths, and the choice of places by scores."""

import numpy as np
import pytest
from scipy import sparse

from evo.policies import link_prediction
from evo.policies.link_prediction import (
    BipartiteGraph,
    best_places,
    ch2_l3n,
    ch3_l3p,
    link_scores,
)

RULES = {"ch2_l3n": ch2_l3n, "ch3_l3p": ch3_l3p}


def edges(n_sources, n_targets, density, seed=0):
    return np.random.default_rng(seed).random((n_sources, n_targets)) < density


def counted(matrix, name):
    """Return the scores by listing paths u - b - a - v and the neighbours of each member, as the definition says."""
    n_sources, n_targets = matrix.shape
    targets_of = [set(np.flatnonzero(row).tolist()) for row in matrix]
    sources_of = [set(np.flatnonzero(column).tolist()) for column in matrix.T]
    scores = np.zeros(matrix.shape)
    for u in range(n_sources):
        for v in range(n_targets):
            if matrix[u, v]:
                continue
            paths = [(b, a) for b in targets_of[u] for a in sources_of[v] if b in targets_of[a]]
            of_targets, of_sources = {b for b, _ in paths}, {a for _, a in paths}
            inside = {("a", a): len(targets_of[a] & of_targets) for a in of_sources}
            inside |= {("b", b): len(sources_of[b] & of_sources) for b in of_targets}
            outside = {("a", a): len(targets_of[a] - of_targets - {v}) for a in of_sources}
            outside |= {("b", b): len(sources_of[b] - of_sources - {u}) for b in of_targets}
            if name == "ch2_l3n":
                scores[u, v] = sum((1 + inside[z]) / (1 + outside[z]) for z in inside)
            else:
                product = ((1 + outside["a", a]) * (1 + outside["b", b]) for b, a in paths)
                scores[u, v] = sum(1 / np.sqrt(one) for one in product)
    return scores


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("block", [1, 40, 1 << 20])
@pytest.mark.parametrize(
    ("n_sources", "n_targets", "density"), [(9, 14, 0.15), (14, 9, 0.4), (6, 6, 0.9), (5, 1, 0.5)]
)
def test_scores_are_those_of_a_count_of_all_paths(
    name, block, n_sources, n_targets, density, monkeypatch
):
    monkeypatch.setattr(link_prediction, "BLOCK", block)
    matrix = edges(n_sources, n_targets, density)
    expected = counted(matrix, name)
    assert n_targets == 1 or expected.max() > 0
    np.testing.assert_allclose(link_scores(matrix, RULES[name]), expected, rtol=1e-5)


@pytest.mark.parametrize("name", RULES)
def test_weights_and_stored_zeros_do_not_count(name):
    matrix = edges(8, 9, 0.4)
    weighted = sparse.csc_array(matrix * np.float32(-3.0))
    weighted.data[0] = 0.0
    matrix[weighted.indices[0], 0] = False
    np.testing.assert_array_equal(
        link_scores(weighted, RULES[name]), link_scores(matrix, RULES[name])
    )


def test_without_edges_or_nodes_no_place_has_a_score():
    assert not link_scores(np.zeros((4, 3)), ch2_l3n).any()
    assert link_scores(np.zeros((0, 3)), ch3_l3p).shape == (0, 3)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("block", [30, 1 << 20])
def test_the_highest_scores_are_chosen(name, block, monkeypatch):
    monkeypatch.setattr(link_prediction, "BLOCK", block)
    matrix = edges(12, 10, 0.3)
    graph = BipartiteGraph.from_matrix(matrix)
    rng = np.random.default_rng(0)
    sources, targets = best_places(graph, RULES[name], 20, soft=False, rng=rng)
    scores = link_scores(matrix, RULES[name])
    assert not matrix[sources, targets].any()
    assert len(set(zip(sources.tolist(), targets.tolist(), strict=True))) == 20
    expected = np.sort(scores[~matrix])[-20:]
    np.testing.assert_array_equal(np.sort(scores[sources, targets]), expected)
    assert (np.diff(targets * 12 + sources) > 0).all()


@pytest.mark.parametrize("soft", [False, True])
def test_places_without_a_score_come_last_and_at_random(soft):
    matrix = np.zeros((30, 30), bool)
    matrix[:2, :2] = [[True, False], [True, True]]  # one place has a score
    graph = BipartiteGraph.from_matrix(matrix)
    found = [
        best_places(graph, ch3_l3p, 5, soft=soft, rng=np.random.default_rng(seed))
        for seed in (0, 1)
    ]
    for sources, targets in found:
        places = set(zip(sources.tolist(), targets.tolist(), strict=True))
        assert len(places) == 5
        assert (0, 1) in places
    assert not np.array_equal(found[0], found[1])


def test_no_more_places_are_chosen_than_are_free():
    matrix = edges(5, 4, 0.5)
    graph = BipartiteGraph.from_matrix(matrix)
    sources, targets = best_places(graph, ch2_l3n, 99, soft=True, rng=np.random.default_rng(0))
    chosen = np.zeros_like(matrix)
    chosen[sources, targets] = True
    np.testing.assert_array_equal(chosen, ~matrix)


def test_soft_choices_are_in_proportion_to_the_scores():
    matrix = edges(6, 6, 0.35, seed=4)
    graph = BipartiteGraph.from_matrix(matrix)
    scores, rng, n = link_scores(matrix, ch2_l3n), np.random.default_rng(0), 1500
    drawn = np.zeros(matrix.shape)
    for _ in range(n):
        drawn[best_places(graph, ch2_l3n, 1, soft=True, rng=rng)] += 1
    share = scores / scores.sum()
    np.testing.assert_allclose(drawn / n, share, atol=5 * np.sqrt(share.max() / n))
    assert (drawn[scores == 0] == 0).all()
