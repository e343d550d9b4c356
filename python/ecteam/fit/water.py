"""Forms of `water` and `water-unpolarised`, and what the first is fitted in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations_with_replacement, product

import numpy as np

from ecteam.fit.form import Channel, Form
from ecteam.fit.labels import Scales
from ecteam.terms import Expression, NeighbourExponential, ThreeBody

CITATION = (
    "S. R. Atlas, J. Phys. Chem. A 125, 3760 (2021) and arXiv:2603.05655 (2026), for ECT-EAM; "
    "this parametrisation: ecteam"
)
HYDROGEN, OXYGEN = ("ground", "cation"), ("ground", "anion", "dianion")
H_STATES, O_STATES = [f"H {a}" for a in sorted(HYDROGEN)], [f"O {a}" for a in sorted(OXYGEN)]
BONDED = [(f"H {a}", f"O {b}") for a, b in product(HYDROGEN, OXYGEN)][1:]
"""Pairs of states; the first of all, of neutral atoms, is in the repulsion of all states.

For two hydrogens or oxygens it is not left out: the prior and the elimination decide.
"""
BY_STATE: dict[tuple[str, str], Sequence[float]] = {
    **dict.fromkeys(combinations_with_replacement(H_STATES, 2), (2.0, 3.5, 5.5)),
    **dict.fromkeys(BONDED, (2.0, 3.5, 5.0)),
    **dict.fromkeys(combinations_with_replacement(O_STATES, 2), (2.0, 3.0)),
}
"""Decays of repulsions between states, Å⁻¹."""
CUT_OUT = {"energy": 25.0, "force": 7.0, "dipole": 6.0}
IONS = {"energy": 8.0, "force": 3.0, "dipole": 3.0}
WATER_SCALES = Scales(
    energy=0.003,
    force=0.08,
    stress=np.inf,
    dipole=0.04,
    softening=0.12,
    emphasis={
        "wall": 0.6,
        "hydrogen": 2.5,
        "h2o-squeezed": 0.9,
        "h2o-collapse": {"energy": 4.0, "force": 1.0, "dipole": 1.0},
        "h2o-well": {"energy": 4.0, "force": 10.0, "dipole": 12.0},
        "h2o-dimer": {"energy": 15.0, "force": 6.0, "dipole": 6.0},
        "h2o-dimer-well": {"energy": 60.0, "force": 25.0, "dipole": 10.0},
        "h2o-apart": {"energy": 35.0, "force": 8.0, "dipole": 8.0},
        "h2o-bonded": CUT_OUT,
        "h2o-triples": CUT_OUT,
        "ion-triples": IONS,
        "h5o2-plus": IONS,
        "h3o-plus": IONS,
        "oh-minus": {"energy": 15.0, "force": 8.0, "dipole": 8.0},
        "h3o2-minus": {"energy": 5.0, "force": 3.0, "dipole": 3.0},
        "water-cyclic": 5.0,
        **dict.fromkeys(("h2o-ring-3", "h2o-tight"), 3.0),
        **dict.fromkeys(("h2o-md", "h2o-trimer", "h2o-scan"), 2.5),
        "h2o-bend": 2.0,
        **dict.fromkeys(("h2o-stretch", "oh"), 1.5),
    },
)
"""Molecules near their minimum and hydrogen bonds count most; walls only have to be there.

A cluster is the sum of many pairs and triples: small errors of one kind add up. Pairs of bonded
and of second neighbours (`h2o-bonded`, `h2o-apart`) and triples, all cut from warm clusters, count
by their energies.
"""


def unpolarised_water() -> Form:
    """H (ground, cation) and O (ground, anion, dianion); angles by a three-body term."""
    return Form(
        name="water-unpolarised",
        description="Water, hydroxide, hydronium and their clusters, up to dissociation, without "
        "induced dipoles: two to three times faster than `water`, for `shadow` and very large "
        "systems; hydrogen bonds are worse.",
        citation=CITATION,
        states={"H": HYDROGEN, "O": OXYGEN},
        decays={
            pair: (1.8, 2.7, 4.0, 6.0, 9.0) for pair in combinations_with_replacement(("H", "O"), 2)
        },
        channels=[
            Channel(("H", "O"), HYDROGEN, ("ground", "anion")),
            Channel(("H", "O"), HYDROGEN, ("anion", "dianion")),
        ],
        electronic_temperature=0.2,
        # Beyond hydrogen bonds only charges act: longer tails cancel in clusters, not in a liquid.
        radius=4.5,
        switch_width=2.0,
        coefficients=3,
        terms=ThreeBody(3, lmax=1, family="slater", cutoff=3.2),
    )


def water() -> Form:
    """H (ground, cation) and O (ground, anion, dianion); the anion is polarised.

    Repulsion depends on states: a stretched bond and a hydrogen bond have the same length, and so
    have two hydrogens of H2 and of a molecule of water; only their charges tell them apart. The
    three-body terms have a fine radial resolution and degree 3 for the angles H-O-H and O-H-O, and
    reach second neighbours where three molecules meet. Not all of it is needed: the fit leaves out
    what the Fisher information says it can do without. A fit that freed the polarisability of the
    anion ended at 3 Å³; those of the other states went to zero.
    """
    far = ThreeBody(2, 2, "slater", 4.5, (1.0, 2.5), ("O-O-H", "O-O-O", "O-H-O"))
    return replace(
        unpolarised_water(),
        name="water",
        description="Water, hydroxide, hydronium and their clusters, up to dissociation, with "
        "induced dipoles.",
        decays={**unpolarised_water().decays, **BY_STATE},
        terms=angles(2) + far,
        embedding_widths=dict.fromkeys(OXYGEN + HYDROGEN, 60.0),
        polarisabilities={"O": {"anion": 3.0}},
        polarisation_exponents={"O": 2.5},
    )


def angles(lmax: int) -> Expression:
    """Three-body terms of molecules and hydrogen bonds, the finest where oxygens share a hydrogen.

    `lmax` is the degree of those of the angles H-H-O and O-O-H.
    """
    bends = ThreeBody(3, 3, "slater", 3.6, (0.8, 4.0), ("H-O-H", "O-H-O"))
    others = ThreeBody(2, lmax, "slater", 3.6, (1.0, 3.0), ("H-H-O", "O-O-H"))
    shared = ThreeBody(2, 3, "slater", 3.6, (2.5, 5.5), ("O-H-O",))
    return bends + others + shared


def stages(form: Form) -> list[tuple[Form, float]]:
    """Forms whose fits come before, each the start of the next, with their tolerances.

    All at once, a fit ends in a minimum with twice the cost. The square root of a neighbour sum,
    which saturates as bonds do, shows the way and is not needed in the end.
    """
    alike = unpolarised_water().decays
    bonded = {**alike, **dict.fromkeys(BONDED, (2.0, 3.5))}
    rigid = replace(form, polarisabilities=None, polarisation_exponents=None, terms=angles(1))
    bonds = NeighbourExponential(2, "square_root", "slater", 3.6, (1.5, 4.0))
    return [
        (replace(rigid, decays=alike), 1e-3),
        (replace(rigid, decays=bonded), 1e-3),
        (replace(form, decays=bonded, terms=angles(1) + bonds), 3e-5),
    ]
