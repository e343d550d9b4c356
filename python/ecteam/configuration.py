"""Configurations: TOML or JSON, checked field by field before anything starts."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from ecteam._core import InvalidInputError, PotentialFormatError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

UNKNOWN = "unknown_field"
RULES = {
    "bool_parsing": "be true or false",
    "bool_type": "be true or false",
    "dict_type": "be a table",
    "float_parsing": "be a number",
    "float_type": "be a number",
    "greater_than": "be above {gt:g}",
    "greater_than_equal": "be at least {ge:g}",
    "int_from_float": "be a whole number",
    "int_parsing": "be a whole number",
    "int_type": "be a whole number",
    "less_than": "be below {lt:g}",
    "less_than_equal": "be at most {le:g}",
    "model_type": "be a table",
    "dataclass_type": "be a table",
    "string_type": "be a string",
    "tuple_type": "be a list",
    "too_long": "have fewer entries",
    "too_short": "not be empty",
}
"""Words for what pydantic calls by the names of Python's types."""


class Section(BaseModel):
    """Part of a configuration: immutable and without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, content: Any) -> Any:
        return _refuse_unknown(content, cls.model_fields)


S = TypeVar("S", bound=Section)


def section_of(kind: type[Any]) -> BeforeValidator:
    """Let a dataclass be a part of a configuration, without unknown fields: an annotation."""
    assert is_dataclass(kind)
    return BeforeValidator(partial(_refuse_unknown, known=[item.name for item in fields(kind)]))


def _refuse_unknown(content: Any, known: Collection[str]) -> Any:
    if isinstance(content, Mapping):
        for name in content:
            if name not in known:
                context = {"field": name, "known": ", ".join(known)}
                raise PydanticCustomError(UNKNOWN, "unknown; known are {known}", context)
    return content


@contextmanager
def naming_field(name: str) -> Iterator[None]:
    """Begin the message of an error with the field it comes from."""
    try:
        yield
    except (InvalidInputError, PotentialFormatError) as error:
        raise type(error)(f"{name}: {error}") from None


def read_fields(path: str | Path) -> Any:
    """Read a TOML (``.toml``) or JSON file as plain data.

    Raises
    ------
    InvalidInputError
        If the file is missing or cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidInputError(f"{path}: no such file")
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error}") from None


def checked(kind: type[S], content: Any) -> S:
    """Check plain data and make a configuration of it.

    Raises
    ------
    InvalidInputError
        If a field is missing, unknown, of the wrong type or out of range; the message names every
        such field, its value and what is allowed.
    """
    try:
        return kind.model_validate(_with_tuples(content))
    except ValidationError as error:
        listed = [d for d in error.errors(include_url=False) if not _follows(d)]
        found = [_words(details) for details in listed]
        raise InvalidInputError("; ".join(dict.fromkeys(found))) from None


def _with_tuples(content: Any) -> Any:
    """Make the arrays of TOML and JSON immutable."""
    if isinstance(content, Mapping):
        return {name: _with_tuples(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return tuple(map(_with_tuples, content))
    return content


def _follows(error: ErrorDetails) -> bool:
    """Tell if another error is the cause: a list is too short for want of valid entries."""
    return error["type"] == "too_short" and bool(error["input"])


def _words(error: ErrorDetails) -> str:
    """Say what is wrong with a field in the words of the other errors."""
    context = error.get("ctx", {})
    if error["type"] == UNKNOWN:
        return f"{_path(*error['loc'], context['field'])}: {error['msg']}"
    if error["type"] == "missing":
        return f"{_path(*error['loc'])}: missing"
    if error["type"] == "value_error":
        return _prefixed(_path(*error["loc"]), str(context["error"]))
    value = error["input"]
    if isinstance(value, tuple):
        value = list(value)
    rule = RULES.get(error["type"], "").format(**context)
    rule = rule or error["msg"].removeprefix("Input should ")
    return f"{_path(*error['loc']) or 'configuration'}: must {rule}, got {value!r}"


def _prefixed(where: str, text: str) -> str:
    """Put the place of a section before what its own check said."""
    if not where or text.startswith(where):
        return text
    names_a_field = re.match(r"[\w.\[\]]+: ", text)
    return f"{where}.{text}" if names_a_field else f"{where}: {text}"


def _path(*places: int | str) -> str:
    # The alternatives of a union are no places.
    named = [p for p in places if isinstance(p, int) or (p != "float" and "[" not in p)]
    parts = [f"[{place}]" if isinstance(place, int) else f".{place}" for place in named]
    return "".join(parts).removeprefix(".")
