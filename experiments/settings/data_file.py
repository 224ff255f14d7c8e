"""Settings that name a file or folder of data instead of a data set's name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evo.errors import SettingsError

READERS: dict[str, dict[str, Any]] = {
    ".csv": {"name": "csv", "options": {}},
    ".tsv": {"name": "csv", "options": {"separator": "\t"}},
    ".parquet": {"name": "parquet", "options": {}},
    ".npz": {"name": "npz", "options": {}},
}
"""The data set and its options for each ending of a file's name."""


def with_data(values: Mapping[str, Any], path: Path, target: str | None) -> dict[str, Any]:
    """Return settings in which the data set is a file, or a folder of images.

    Parameters
    ----------
    values : mapping
        Settings as read from a TOML file. Those of the parts and of scaling stay; options of another data set go.
    path : Path
        A file with an ending of :data:`READERS`, or a folder with a folder of images for each class.
    target : str, optional
        Name of the target column; in an ``.npz`` file the name of an array, by default y.

    Raises
    ------
    SettingsError
        If the file is none of these, or a target is missing or of no use.
    """
    if path.is_dir():
        name, options = "images", {}
    else:
        known = READERS.get(path.suffix.lower())
        if known is None:
            raise SettingsError(
                f"data must be a folder of images or a file ending in {', '.join(READERS)}; got {str(path)!r}"
            )
        name, options = known["name"], dict(known["options"])
    if name == "images" and target is not None:
        raise SettingsError(f"target must not be given for a folder of images; got {target!r}")
    if name in {"csv", "parquet"} and target is None:
        raise SettingsError(
            f"target must be given for {str(path)!r}: the name of the target column"
        )
    if target is not None:
        options["y" if name == "npz" else "target"] = target
    settings = dict(values.get("dataset") or {})
    return {
        **values,
        "dataset": {**settings, "name": name, "options": options | {"path": str(path)}},
    }
