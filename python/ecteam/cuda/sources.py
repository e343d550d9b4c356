"""Texts of the kernels, embedded in the engine."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import NamedTuple

from ecteam import _core

_INCLUDE = re.compile(r'^#include "([\w.]+)"\n', re.MULTILINE)


def source(name: str) -> str:
    """Return the text of a file of `cuda/`.

    The environment variable ``ECTEAM_CUDA_DIR`` names a folder to read from instead, while kernels
    are being edited.
    """
    folder = os.environ.get("ECTEAM_CUDA_DIR")
    if folder:
        return (Path(folder) / name).read_text(encoding="utf-8")
    return _embedded()[name]


class Program(NamedTuple):
    """A file of kernels, and what is defined when it is compiled.

    Attributes
    ----------
    file : str
        Name of a file of `cuda/`.
    defines : tuple of (str, int)
        Macros.
    """

    file: str
    defines: tuple[tuple[str, int], ...] = ()

    @property
    def head(self) -> str:
        """Definitions, line by line."""
        return "".join(f"#define {name} {value}\n" for name, value in self.defines)

    @property
    def block(self) -> int:
        """Threads of a block."""
        return dict(self.defines).get("BLOCK", block_size())

    @property
    def text(self) -> str:
        """The whole text to compile."""
        return self.head + whole_source(self.file)


def whole_source(name: str) -> str:
    """Return the text of a file with all that it includes, once each."""
    seen: set[str] = set()

    def expand(match: re.Match[str]) -> str:
        included = match.group(1)
        if included in seen:
            return ""
        seen.add(included)
        text = source(included).replace("#pragma once\n", "")
        return _INCLUDE.sub(expand, text)

    return _INCLUDE.sub(expand, source(name))


def kernels(text: str) -> list[str]:
    """Names of the kernels of a text, also of those that a macro makes."""
    plain = r'^extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\('
    return re.findall(plain, text, re.MULTILINE) + re.findall(
        r"^\w+_KERNEL\((\w+), ", text, re.MULTILINE
    )


@functools.cache
def block_size() -> int:
    """Threads of a block of kernels that do not say otherwise."""
    found = re.search(r"^#define BLOCK (\d+)$", source("common.cuh"), re.MULTILINE)
    assert found  # the tests compile this very line
    return int(found.group(1))


@functools.cache
def _embedded() -> dict[str, str]:
    return dict(_core.kernel_sources())
