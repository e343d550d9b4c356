"""Measures on request, in a process of its own: `python worker.py`, one JSON object a line.

A request names a function of this folder's modules: ``{"of": "row_eam:lammps", "with": {...}}``.
The first call with the same words prepares (the function returns a callable that measures once and
returns seconds per unit); every call measures once. The answer is ``{"value": ...}``,
``{"absent": why}`` if the program is not installed, or ``{"error": why}``.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def answer(request: dict[str, Any], prepared: dict[str, Callable[[], float]]) -> dict[str, Any]:
    """Prepare, if this request is new, and measure once."""
    key = json.dumps(request, sort_keys=True)
    module, function = request["of"].split(":")
    try:
        if key not in prepared:
            prepared.clear()  # One at a time: memory held by another would change the caches.
            prepared[key] = getattr(importlib.import_module(module), function)(**request["with"])
        return {"value": prepared[key]()}
    except (ImportError, FileNotFoundError) as error:
        return {"absent": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Serve until the input ends; whatever programs print goes to the standard error."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prepared: dict[str, Callable[[], float]] = {}
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), prepared)), file=answers, flush=True)


if __name__ == "__main__":
    main()
