"""Configuration of a design run: TOML or JSON, checked before anything starts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveFloat, field_validator

from ecteam._core import InvalidInputError
from ecteam.configuration import Section, checked, read_fields, section_of
from ecteam.design.crystals import CRYSTAL_PROPERTIES
from ecteam.design.moves import MOVES, Palette
from ecteam.fit.labels import Scales
from ecteam.fit.settings import Settings

TARGETS = ("energy", "force", "stress", "parameters")
Filled = Annotated[tuple[str, ...], Field(min_length=1)]


class Data(Section):
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

    train: Filled
    test: tuple[str, ...] = ()
    test_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    folds: Annotated[int, Field(ge=2)] = 5
    sample: Annotated[int, Field(ge=0)] = 0


class Search(Section):
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

    generations: Annotated[int, Field(ge=0)] = 10
    children: Annotated[int, Field(ge=1)] = 8
    least_parameters: int = 1
    most_parameters: Annotated[int, Field(ge=1)] = 75
    starts: Annotated[int, Field(ge=1)] = 1
    moves: dict[str, NonNegativeFloat] = {}  # noqa: RUF012 - pydantic copies defaults

    @field_validator("moves")
    @classmethod
    def _known_moves(cls, moves: dict[str, float]) -> dict[str, float]:
        return _known_names(moves, MOVES)


class Config(Section):
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

    elements: Filled
    start: Filled
    data: Data
    search: Search = Search()
    scales: Annotated[Scales, section_of(Scales)] = Scales()
    base: str = ""
    training: Annotated[Settings, section_of(Settings)] = Settings(iterations=25, tolerance=1e-4)
    palette: Annotated[Palette, section_of(Palette)] = Palette()
    targets: dict[str, float] = {}  # noqa: RUF012
    properties: dict[str, FiniteFloat] = {}  # noqa: RUF012
    property_scale: PositiveFloat = 0.1
    seed: int = 0

    @field_validator("palette")
    @classmethod
    def _some_functions(cls, palette: Palette) -> Palette:
        if palette.most_functions < 1:
            raise InvalidInputError(
                f"most_functions: must be at least 1, got {palette.most_functions}"
            )
        return palette

    @field_validator("targets")
    @classmethod
    def _known_targets(cls, targets: dict[str, float]) -> dict[str, float]:
        return _known_names(targets, TARGETS)

    @field_validator("properties")
    @classmethod
    def _known_properties(cls, properties: dict[str, float]) -> dict[str, float]:
        for name, value in _known_names(properties, CRYSTAL_PROPERTIES).items():
            if value == 0.0:
                raise InvalidInputError(f"{name}: must be a number other than 0, got {value!r}")
        return properties

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in a JSON configuration."""
        plain: dict[str, Any] = json.loads(json.dumps(self.model_dump()))
        return plain


def _known_names(given: dict[str, float], known: Iterable[str]) -> dict[str, float]:
    names = list(known)
    for name in given:
        if name not in names:
            raise InvalidInputError(f"{name}: must be one of {', '.join(names)}, got {name!r}")
    return given


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
    return checked(Config, content)
