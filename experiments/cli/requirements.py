"""Which packages an installation needs, which it may use, and which of them are missing."""

from importlib import metadata

from packaging.requirements import Requirement

NOT_FOR_USERS = ("dev", "docs")
"""Extras for work on the code, which no command needs."""


def unmet_requirements() -> list[str]:
    """Return the requirements of EvoMatrix that are not met, in words; empty if all are.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If EvoMatrix is on the path, but was not installed.
    """
    return [wrong for one, extra in _requirements() if not extra and (wrong := _unmet(one))]


def missing_extras() -> dict[str, list[str]]:
    """Return the packages that are missing of each extra from which one is missing."""
    missing: dict[str, list[str]] = {}
    for one, extra in _requirements():
        if extra and extra not in NOT_FOR_USERS and _unmet(one):
            missing.setdefault(extra, []).append(one.name)
    return missing


def _requirements() -> list[tuple[Requirement, str]]:
    """Return each requirement of the installed package, with its extra; ``""`` if all installations need it."""
    extras = metadata.metadata("evomatrix").get_all("Provides-Extra") or ()
    found = []
    for one in map(Requirement, metadata.requires("evomatrix") or ()):
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            found.append((one, ""))
        else:
            found += [(one, extra) for extra in extras if one.marker.evaluate({"extra": extra})]
    return found


def _unmet(one: Requirement) -> str:
    """Return how a requirement is not met; ``""`` if it is."""
    try:
        version = metadata.version(one.name)
    except metadata.PackageNotFoundError:
        return f"{one.name} is missing"
    if one.specifier.contains(version, prereleases=True):
        return ""
    return f"{one.name} must be {one.specifier}; got {version}"
