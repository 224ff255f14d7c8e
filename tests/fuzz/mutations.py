"""Damaged copies of valid inputs: bytes, texts, values of JSON, and archives of arrays.

All draws follow from one generator, so an input is known by the reader's name and its number.
"""

import gzip
import io
import json
import re
import tokenize
import warnings
import zipfile

import numpy as np

INTEGERS = [
    *(0, 1, -1, 2, 3, 127, 128, 255, 256, 65_535, 65_536),
    *(2**31 - 1, 2**31, -(2**31) - 1, 2**32, 2**53 + 1, 2**61 - 1, 2**63 - 1),
    *(2**63, -(2**63) - 1, 2**64, 10**30, 10**400),
]
FLOATS = [
    0.0,
    -0.0,
    0.5,
    1.5,
    1e-320,
    1e39,
    -1e39,
    1e308,
    float("nan"),
    float("inf"),
    -float("inf"),
]
TEXTS = [
    "",
    " ",
    "a",
    "1",
    "-1",
    "1e9",
    "true",
    "é",
    "\n",
    "\0",
    "\ud800",
    "a\nb",
    "x" * 3000,
    "(" * 200,
]
CONTAINERS = [[], {}, [[]], [None], [0], {"": ""}, {"a": [1]}, [1, [2, [3]]], [0.5] * 300]
ODD = [None, True, False, *INTEGERS, *FLOATS, *TEXTS, *CONTAINERS]
"""Values that a file may have in the place of others."""

TOKENS = [
    *(str(number).encode() for number in INTEGERS),
    *(b"NaN", b"Infinity", b"-inf", b"1e999", b"null", b"true", b"0x" + b"f" * 5000, b"9" * 5000),
    *(b"\0", b"\n", b"\r", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b'"', b"'", b'""'),
    *(b",", b";", b"[", b"]", b"{", b"}", b"<", b">", b"&", b"&#0;", b"&lt;", b"=", b"#", b"-", b"."),
    *(b"[" * 3000, b'{"a":' * 3000, b"<data>" * 1500, b"a." * 1500, b"(" * 3000, b"," * 3000, b"a" * 3000, b"[[a]]\n"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<!-- -->", b"\xef\xb7\x90", b"\xef\xb7\x91", b"NA", b"PAR1"),
]  # fmt: skip
"""Bytes that mean something to one of the readers."""

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def pick(rng, choices):
    return choices[int(rng.integers(len(choices)))]


# -- bytes and texts ---------------------------------------------------------------------------------------------------


def damaged_bytes(data, others, rng):
    """Return bytes after one to three changes; `others` are whole inputs that parts are taken from."""
    for _ in range(int(rng.integers(1, 4))):
        data = pick(rng, BYTE_CHANGES)(data, others, rng)
    return data


def damaged_text(data, others, rng):
    """As `damaged_bytes`, with changes of lines and numbers too."""
    for _ in range(int(rng.integers(1, 4))):
        data = pick(rng, TEXT_CHANGES)(data, others, rng)
    return data


def _stretch(data, rng, most=64):
    """Return begin and end of a short part of the data."""
    begin = int(rng.integers(len(data) + 1))
    return begin, min(len(data), begin + int(rng.integers(1, most)))


def _flip(data, others, rng):
    if not data:
        return data
    place, changed = int(rng.integers(len(data))), bytearray(data)
    changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _overwrite(data, others, rng):
    begin, end = _stretch(data, rng, 9)
    number = pick(rng, INTEGERS) % 2**64
    return (
        data[:begin] + number.to_bytes(8, pick(rng, ["little", "big"]))[: end - begin] + data[end:]
    )


def _delete(data, others, rng):
    begin, end = _stretch(data, rng)
    return data[:begin] + data[end:]


def _duplicate(data, others, rng):
    begin, end = _stretch(data, rng)
    return data[:end] + data[begin:end] * int(rng.integers(1, 20)) + data[end:]


def _insert(data, others, rng):
    place = int(rng.integers(len(data) + 1))
    return data[:place] + pick(rng, TOKENS) + data[place:]


def _truncate(data, others, rng):
    return data[: int(rng.integers(len(data) + 1))]


def _splice(data, others, rng):
    other = pick(rng, others)
    return data[: int(rng.integers(len(data) + 1))] + other[int(rng.integers(len(other) + 1)) :]


def _renumber(data, others, rng):
    places = [match.span() for match in NUMBER.finditer(data)]
    if not places:
        return data
    begin, end = pick(rng, places)
    return data[:begin] + pick(rng, TOKENS[: len(INTEGERS) + 8]) + data[end:]


def _change_lines(data, others, rng):
    lines = data.split(b"\n")
    first, second = (int(rng.integers(len(lines))) for _ in range(2))
    change = int(rng.integers(3))
    if change == 0:
        lines[first : first + 1] = [lines[first]] * int(rng.integers(2, 50))
    elif change == 1:
        lines[first], lines[second] = lines[second], lines[first]
    else:
        del lines[first]
    return b"\n".join(lines)


BYTE_CHANGES = [_flip, _flip, _overwrite, _delete, _duplicate, _insert, _truncate, _splice]
TEXT_CHANGES = [*BYTE_CHANGES, _renumber, _renumber, _renumber, _change_lines, _change_lines]


# -- values of JSON ----------------------------------------------------------------------------------------------------


def damaged_value(value, others, rng):
    """Return a value of JSON with one to three changes at any depth; the given value stays as it is."""
    for _ in range(int(rng.integers(1, 4))):
        value = _changed_inside(value, rng)
    return value


def _changed_inside(value, rng):
    if isinstance(value, dict | list) and value and rng.random() < 0.8:
        inside = dict(value) if isinstance(value, dict) else list(value)
        key = pick(rng, list(inside)) if isinstance(value, dict) else int(rng.integers(len(inside)))
        inside[key] = _changed_inside(inside[key], rng)
        return inside
    if rng.random() < 0.4:
        return pick(rng, ODD)
    if rng.random() < 0.01:
        return nested(pick(rng, [30, 900, 5000]), pick(rng, [list, dict]))
    if isinstance(value, dict):
        return _changed_object(value, rng)
    if isinstance(value, list):
        return _changed_list(value, rng)
    if isinstance(value, str):
        return pick(rng, [value + "x", value[:-1], value * 2, value.upper(), [value]])
    if isinstance(value, int | float):
        near = [value + 1, value - 1, -value, value * 2, value / 2 if abs(value) < 2**60 else 0.5]
        return pick(rng, [*near, str(value), [value]])
    return pick(rng, ODD)


def _changed_object(value, rng):
    keys = list(value)
    if not keys or rng.random() < 0.3:
        return value | {pick(rng, ["", "extra", "x" * 2000, *keys]): pick(rng, ODD)}
    one, other = pick(rng, keys), pick(rng, keys)
    return pick(
        rng,
        [
            {key: value[key] for key in keys if key != one},
            value | {one: value[other]},
            {f"{key}s" if key == one else key: value[key] for key in keys},
        ],
    )


def _changed_list(value, rng):
    if not value:
        return [pick(rng, ODD)]
    place = int(rng.integers(len(value)))
    return pick(
        rng,
        [
            value[:place] + value[place + 1 :],
            [*value[:place], value[place], *value[place:]],
            value[::-1],
            [*value, pick(rng, ODD)],
            value[:place],
            value * 3,
        ],
    )


def nested(depth, kind):
    """Return a list in a list in a list …, or objects."""
    value = 0
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


def as_json(value):
    """Return a value as the bytes of JSON; what is nested too deeply for that is written as brackets."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b"[" * 50_000


# -- archives of arrays ------------------------------------------------------------------------------------------------

DTYPES = ["u1", "<u2", ">i4", "<i8", "<u8", "<f2", "<f4", ">f8", "<c16", "?", "U3", "S2", "M8[s]"]


def as_npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), version=(1, 0))
    return buffer.getvalue()


def members_of(data):
    """Return the members of a whole archive, bytes by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def as_archive(members, compression=zipfile.ZIP_STORED):
    """Return an archive, with right checksums, of (name, bytes)."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compresslevel=1) as archive:
        warnings.filterwarnings("ignore", "Duplicate name")  # some shall be there twice
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def damaged_archive(data, others, rng):
    """Return an archive that is damaged in its members, which keep right checksums, or now and then as bytes."""
    if rng.random() < 0.1:
        return damaged_bytes(data, others, rng)
    members = members_of(data)
    for _ in range(int(rng.integers(1, 3))):
        _change_members(members, others, rng)
    compression = zipfile.ZIP_DEFLATED if rng.random() < 0.02 else zipfile.ZIP_STORED
    written = list(members.items())
    if written and rng.random() < 0.03:
        written.append(pick(rng, written))
    return as_archive(written, compression)


def _change_members(members, others, rng):
    name = pick(rng, list(members) or ["a.npy"])
    chance = rng.random()
    if chance < 0.35 and "description.npy" in members:
        text = members["description.npy"][128:]
        if rng.random() < 0.1:
            text = damaged_text(text, [text], rng)
        else:
            try:
                text = as_json(damaged_value(json.loads(text), [], rng))
            except (ValueError, RecursionError):  # damaged before
                text = damaged_text(text, [text], rng)
        members["description.npy"] = as_npy(np.frombuffer(text, np.uint8))
    elif chance < 0.42:
        members.pop(name, None)
    elif chance < 0.5:
        members[name] = pick(rng, list(members_of(pick(rng, others)).values()))
    elif chance < 0.6:
        members[name] = damaged_bytes(members.get(name, b""), [b""], rng)
    else:
        members[name] = as_npy(_changed_array(members.get(name, b""), rng))


def _changed_array(member, rng):
    try:
        array = np.lib.format.read_array(io.BytesIO(member), allow_pickle=False).copy()
    except (ValueError, EOFError, OverflowError, MemoryError, SyntaxError, tokenize.TokenError):
        array = np.zeros(3)
    change = int(rng.integers(7))
    if change == 0:
        with np.errstate(all="ignore"):
            return (
                array.astype(pick(rng, DTYPES))
                if array.dtype.kind in "biuf"
                else array.astype("U30")
            )
    if change == 1:
        return array.reshape(pick(rng, [(-1,), (1, -1), (-1, 1), (1, 1, -1)]))
    if change == 2:
        return np.resize(
            array, pick(rng, [0, 1, 2, array.size + 1, 2 * array.size, max(array.size - 1, 0)])
        )
    if change == 3:
        return array.reshape(-1)[::-1]
    if change == 4 or not array.size or array.dtype.kind not in "iuf":
        return np.array(pick(rng, [0, 1, -1, 2**62, 0.5, np.nan, np.inf]))
    with np.errstate(all="ignore"):
        numbers = INTEGERS[:-5] if array.dtype.kind in "iu" else [*FLOATS, *INTEGERS[:10]]
        value = np.array(pick(rng, numbers)).astype(array.dtype)
    if change == 5:
        array.reshape(-1)[int(rng.integers(array.size))] = value
        return array
    return np.full(array.shape, value, array.dtype)


def damaged_idx(data, others, rng):
    """Return an IDX file with damage, now and then compressed."""
    data = damaged_bytes(data, others, rng)
    chance = rng.random()
    if chance < 0.1:
        return gzip.compress(data, 1)
    return damaged_bytes(gzip.compress(data, 1), others, rng) if chance < 0.15 else data
