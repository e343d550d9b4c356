"""Configuration of a design run: TOML or JSON, checked before anything starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from ecteam._core import InvalidInputError
from ecteam.configuration import read_fields
from ecteam.design.crystals import CRYSTAL_PROPERTIES
from ecteam.design.moves import MOVES, Palette
from ecteam.fit.labels import Scales
from ecteam.fit.settings import Settings


@dataclass(frozen=True)
class Data:
    """Where the labels are.

    Attributes
    ----------
    train : tuple of str
        Files; relative paths start from the folder of the configuration.
    test : tuple of str
        Files never looked at before the end; empty for a share of the training files.
    test_fraction : float
        That share, chosen by a hash of the geometry.
    folds : int
        Validation folds.
    sample : int
        Structures used by the search, spread over the groups; 0 for all. The models of the final
        front are trained on all.
    """

    train: tuple[str, ...]
    test: tuple[str, ...] = ()
    test_fraction: float = 0.1
    folds: int = 5
    sample: int = 0


@dataclass(frozen=True)
class Search:
    """How the loop runs.

    Attributes
    ----------
    generations, children : int
        Rounds, and candidates of each round.
    least_parameters, most_parameters : int
        Candidates outside are not trained.
    starts : int
        Starting points of the nonlinear parameters of each candidate.
    moves : mapping of str to float
        Weight of each move in the draw; 1 by default, 0 to leave it out.
    """

    generations: int = 10
    children: int = 8
    least_parameters: int = 1
    most_parameters: int = 75
    starts: int = 1
    moves: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """Everything a design run depends on.

    Attributes
    ----------
    elements : tuple of str
        Chemical symbols.
    base : str
        Potential that the expression corrects, a shipped name or a file; empty for none. Only the
        parameters of the expression are fitted.
    start : tuple of str
        Formulas of the first candidates; plain linear models to compare with belong here.
    data, search, scales, training, palette
        See there.
    targets : mapping of str to float
        Validation errors (``energy`` eV/atom, ``force`` eV/Å, ``stress`` eV/Å³) and ``parameters``
        the recommended model should not exceed.
    properties : mapping of str to float
        Values of the crystal of the first element that a candidate is also judged by, see
        :data:`ecteam.design.crystals.CRYSTAL_PROPERTIES`.
    property_scale : float
        Relative deviation of a property that counts as much as an error of one scale.
    seed : int
        Of all random choices.
    """

    elements: tuple[str, ...]
    start: tuple[str, ...]
    data: Data
    search: Search = field(default_factory=Search)
    scales: Scales = field(default_factory=Scales)
    base: str = ""
    training: Settings = field(default_factory=lambda: Settings(iterations=25, tolerance=1e-4))
    palette: Palette = field(default_factory=Palette)
    targets: Mapping[str, float] = field(default_factory=dict)
    properties: Mapping[str, float] = field(default_factory=dict)
    property_scale: float = 0.1
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in a JSON configuration."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def read_config(path: str | Path) -> Config:
    """Read a configuration from TOML (``.toml``) or JSON.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, or a field is missing, unknown, of the wrong type or out of
        range; the message names it.
    """
    config = config_of(read_fields(path))
    return _with_absolute_paths(config, Path(path).resolve().parent)


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    plain = config.to_dict()
    for name in ("train", "test"):
        plain["data"][name] = [str(folder / file) for file in plain["data"][name]]
    if (folder / config.base).is_file():
        plain["base"] = str(folder / config.base)
    return config_of(plain)


def config_of(content: Any) -> Config:
    """Check plain data and make a configuration of it.

    Raises
    ------
    InvalidInputError
        As :func:`read_config`.
    """
    config: Config = _record(Config, content, "")
    _check(config)
    return config


LEAST = {
    "data.folds": 2,
    "data.sample": 0,
    "palette.most_functions": 1,
    "search.children": 1,
    "search.generations": 0,
    "search.most_parameters": 1,
    "search.starts": 1,
}
"""Smallest values of whole numbers."""

SECTIONS = {
    "data": Data,
    "search": Search,
    "scales": Scales,
    "training": Settings,
    "palette": Palette,
}


def _record(kind: Any, content: Any, path: str) -> Any:
    """Fill a dataclass from a mapping."""
    where = path or "configuration"
    if not isinstance(content, Mapping):
        raise InvalidInputError(f"{where}: must be a table, got {content!r}")
    known = {item.name: item for item in fields(kind)}
    for name in content:
        if name not in known:
            allowed = ", ".join(known)
            raise InvalidInputError(f"{_join(path, name)}: unknown; known are {allowed}")
    for name, item in known.items():
        required = item.default is MISSING and item.default_factory is MISSING
        if required and name not in content:
            raise InvalidInputError(f"{_join(path, name)}: missing")
    hints = get_type_hints(kind)
    values = {
        name: _value(hints[name], value, _join(path, name)) for name, value in content.items()
    }
    return kind(**values)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _value(hint: Any, value: Any, path: str) -> Any:
    section = path.split(".")[-1]
    if hint is SECTIONS.get(section):
        return _record(hint, value, path)
    if hint is str:
        return _checked(value, isinstance(value, str), "a string", path)
    if hint is bool:
        return _checked(value, isinstance(value, bool), "true or false", path)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return _checked(value, number and isinstance(value, int), "a whole number", path)
    if hint is float:
        return float(_checked(value, number, "a number", path))
    if str(hint).startswith("tuple"):
        item = str if "str" in str(hint) else float
        right = isinstance(value, list | tuple)
        kind = "a list of strings" if item is str else "a list of numbers"
        _checked(value, right, kind, path)
        return tuple(_value_of(item, entry, f"{path}[{k}]") for k, entry in enumerate(value))
    return _checked(value, isinstance(value, Mapping), "a table", path)


def _value_of(item: type, entry: Any, path: str) -> Any:
    if item is str:
        return _checked(entry, isinstance(entry, str), "a string", path)
    return _value(float, entry, path)


def _checked(value: Any, right: bool, kind: str, path: str) -> Any:
    if not right:
        raise InvalidInputError(f"{path}: must be {kind}, got {value!r}")
    return value


def _check(config: Config) -> None:
    for name, least in LEAST.items():
        section, number = name.split(".")
        found = getattr(getattr(config, section), number)
        _require(found >= least, name, f"at least {least}", found)
    fraction = config.data.test_fraction
    _require(0.0 < fraction < 1.0, "data.test_fraction", "between 0 and 1", fraction)
    _require(bool(config.elements), "elements", "a list of chemical symbols", [])
    _require(bool(config.start), "start", "a list of formulas", [])
    _require(bool(config.data.train), "data.train", "a list of files", [])
    for name, value in config.search.moves.items():
        _require(name in MOVES, f"search.moves.{name}", f"one of {', '.join(MOVES)}", name)
        right = isinstance(value, int | float) and value >= 0.0
        _require(right, f"search.moves.{name}", "a number from 0 up", value)
    allowed = ("energy", "force", "stress", "parameters")
    for name, value in config.targets.items():
        _require(name in allowed, f"targets.{name}", f"one of {', '.join(allowed)}", name)
        _require(isinstance(value, int | float), f"targets.{name}", "a number", value)
    for name, value in config.properties.items():
        known = ", ".join(CRYSTAL_PROPERTIES)
        _require(name in CRYSTAL_PROPERTIES, f"properties.{name}", f"one of {known}", name)
        right = isinstance(value, int | float) and value != 0.0
        _require(right, f"properties.{name}", "a number other than 0", value)
    scale = config.property_scale
    _require(scale > 0.0, "property_scale", "positive", scale)


def _require(right: bool, name: str, rule: str, value: Any) -> None:
    if not right:
        raise InvalidInputError(f"{name}: must be {rule}, got {value!r}")
