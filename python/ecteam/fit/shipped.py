"""Fit the potentials that ship with the package.

``python -m ecteam.fit.shipped water -o water.json --checkpoint water.fit.json``
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ecteam.fit.dataset import Dataset, FloatArray, load_dataset
from ecteam.fit.form import Channel, Fields, Form
from ecteam.fit.least_squares import Problem, Scales, fit
from ecteam.potential import Potential

DATA = files("ecteam") / "data"
CITATION = (
    "S. R. Atlas, J. Phys. Chem. A 125, 3760 (2021) and arXiv:2603.05655 (2026), for ECT-EAM; "
    "this parametrisation: ecteam"
)


def water() -> Form:
    """H (ground, cation) and O (ground, anion, dianion)."""
    library = _library()
    hydrogen = ("ground", "cation")
    return Form(
        name="water",
        description="Water, hydroxide, hydronium and their clusters, up to dissociation.",
        citation=CITATION,
        states={"H": library["H"], "O": library["O"]},
        decays={
            pair: (1.2, 1.8, 2.7, 4.0, 6.0, 9.0)
            for pair in combinations_with_replacement(("H", "O"), 2)
        },
        channels=[
            Channel(("H", "O"), hydrogen, ("ground", "anion")),
            Channel(("H", "O"), hydrogen, ("anion", "dianion")),
        ],
        electronic_temperature=0.2,
        radius=6.0,
        switch_width=2.0,
        coefficients=3,
    )


def halides() -> Form:
    """Li, Na (ground, cation) and F, Cl (ground, anion)."""
    library = _library()
    elements = ("Cl", "F", "Li", "Na")
    return Form(
        name="halides",
        description="Lithium and sodium fluorides and chlorides: molecules, clusters, ions.",
        citation=CITATION,
        states={element: library[element] for element in elements},
        decays={pair: (1.2, 2.0, 3.3, 5.0) for pair in combinations_with_replacement(elements, 2)},
        channels=[
            Channel((halogen, metal), ("ground", "anion"), ("ground", "cation"))
            for halogen in ("Cl", "F")
            for metal in ("Li", "Na")
        ],
        electronic_temperature=0.02,
        radius=10.0,
        switch_width=4.0,
        coefficients=2,
    )


FORMS = {"water": water, "halides": halides}
DATA_SETS = {
    "water": ("water", "walls-water"),
    "halides": ("halides", "crystals", "walls-halides"),
}
SCALES = {
    "water": Scales(
        emphasis={
            "h2o-bend": 3.0,
            "wall": 0.1,
            **dict.fromkeys(("h2o-random", "h2o-scan", "h2o-dimer", "h2o-facing"), 1.5),
            **dict.fromkeys(("h2o-ring-3", "h2o-ring-4", "h2o-ring-6", "h2o-tight"), 1.5),
        }
    ),
    "halides": Scales(emphasis={"wall": 0.1}),
}
"""Spherical atoms are reluctant to bend a water molecule: its shape gets more weight. Walls only
have to be there."""


def _library() -> dict[str, list[Fields]]:
    text = (DATA / "states.json").read_text(encoding="utf-8")
    elements: dict[str, list[Fields]] = json.loads(text)["elements"]
    return elements


def errors(dataset: Dataset, prediction: Sequence[FloatArray]) -> list[Fields]:
    """Root-mean-square errors by group and split, as in a potential file.

    Energies in eV/atom, force components in eV/Å, dipole components in e·Å.
    """
    groups = np.array(dataset.groups)
    rows = []
    for group in [*sorted(set(dataset.groups)), "all"]:
        for split in ("train", "held-out"):
            chosen = dataset.held_out == (split == "held-out")
            # The walls' tens of eV would hide everything else in a common average.
            chosen &= groups != "wall" if group == "all" else groups == group
            if not chosen.any():
                continue
            rows.append({"group": group, "split": split, **_errors_of(dataset, prediction, chosen)})
    return rows


def _errors_of(
    dataset: Dataset, prediction: Sequence[FloatArray], chosen: npt.NDArray[np.bool_]
) -> Fields:
    energies, forces, dipoles = prediction
    sizes = dataset.sizes
    atoms = np.repeat(chosen, sizes)
    polar = chosen & np.isfinite(dataset.dipoles).all(axis=1)
    found = {
        "geometries": int(chosen.sum()),
        "energy": _rms(((energies - dataset.energies) / sizes)[chosen]),
        "force": _rms((forces - dataset.forces)[atoms]),
    }
    return found | ({"dipole": _rms((dipoles - dataset.dipoles)[polar])} if polar.any() else {})


def _rms(x: FloatArray) -> float:
    return float(f"{np.sqrt(np.nanmean(x**2)):.4g}")


def sealed(problem: Problem, parameters: FloatArray, data: str) -> Potential:
    """Potential with its errors on fitted and on held-out geometries."""
    fields: dict[str, Any] = problem.form.fields(parameters)
    method = (
        f"SciPy {version('scipy')} trust-region least squares on energies, forces and dipoles, "
        f"ecteam {version('ecteam')}; Gaussian prior; every tenth geometry of a group held out"
    )
    fields["fit"] = {
        "method": method,
        "data": data,
        "parameters": len(parameters),
        "errors": errors(problem.dataset, problem.predict(parameters, warm=False)),
    }
    return Potential.from_dict(fields)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ecteam.fit.shipped", description=__doc__)
    parser.add_argument("form", choices=sorted(FORMS))
    parser.add_argument("-o", "--output", type=Path, required=True, help="potential file")
    parser.add_argument("--data", type=Path, nargs="+", help="extended XYZ; default: as shipped")
    parser.add_argument("--checkpoint", type=Path, required=True, help="resumed if it exists")
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--seed", type=int, help="random start; default: the form's own")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shipped = [DATA / "reference" / f"{name}.extxyz.gz" for name in DATA_SETS[options.form]]
    paths = options.data or [Path(str(path)) for path in shipped]
    dataset = load_dataset(*paths)
    problem = Problem(FORMS[options.form](), dataset, SCALES[options.form])
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        best = fit(
            problem,
            iterations=options.iterations,
            checkpoint=options.checkpoint,
            start=None if options.seed is None else problem.form.random_start(options.seed),
            progress=progress,
        )
    levels = sorted({str(atoms.info["level"]) for atoms in dataset.structures})
    files_used = ", ".join(path.name for path in paths)
    data = f"{len(dataset.structures)} geometries; {', '.join(levels)}; {files_used}"
    sealed(problem, best, data).save(options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
