"""Ids that were chosen so that Python's hashes of them are equal: sets and dicts of these would take quadratic time."""

import json
import time

import pytest

from evo import from_graphml, from_json

MODULUS = 2**61 - 1
"""Integers that differ by a multiple of it have one hash."""

SECONDS = 2.0
"""Most CPU time; a set of the same size, all of one hash, takes several times as long."""


def left(number, bits):
    return (number << bits | number >> (64 - bits)) % 2**64


def pairs_of_one_hash(count):
    """Return pairs of positive integers, all different, for which the hash of the tuple is one number (xxHash)."""
    first, second, last = 11400714785074694791, 14029467366897019727, 2870177450012600261
    goal = left(12345 * pow(first, -1, 2**64) % 2**64, 33)
    found, a = [], 0
    while len(found) < count:
        a += 1
        of_a = left((last + a * second) % 2**64, 31) * first % 2**64
        b = (goal - of_a) * pow(second, -1, 2**64) % 2**64
        if 0 < b < MODULUS:
            found.append((a, b))
    return found


def seconds_of(call):
    begin = time.process_time()
    call()
    return time.process_time() - begin


@pytest.mark.slow
def test_edges_of_one_hash_take_linear_time():
    pairs = pairs_of_one_hash(12_000)
    assert len(set(map(hash, pairs))) == 1
    ids = sorted({node for pair in pairs for node in pair})
    graph = {
        "nodes": [{"id": node} for node in ids],
        "edges": [{"source": source, "target": target} for source, target in pairs],
    }
    assert seconds_of(lambda: from_json(json.dumps(graph))) < SECONDS


def refuse(read, text):
    with pytest.raises(
        ValueError, match=r"^node must be an integer of at most 64 bits; got \d{20}$"
    ):
        read(text)


@pytest.mark.slow
def test_ids_of_one_hash_are_refused_in_linear_time():
    ids = [MODULUS * k for k in range(5, 40_000)]
    assert len(set(map(hash, ids))) == 1
    nodes = "".join(f'<node id="{node}"/>' for node in ids)
    graphml = f'<graphml><graph edgedefault="directed">{nodes}</graph></graphml>'
    node_link = json.dumps({"nodes": [{"id": node} for node in ids], "edges": []})
    for read, text in ((from_json, node_link), (from_graphml, graphml)):
        assert seconds_of(lambda read=read, text=text: refuse(read, text)) < SECONDS
