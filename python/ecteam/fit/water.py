"""Forms of `water` and `water-unpolarised`, and what the first is fitted in."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement, product

import numpy as np

from ecteam.fit.form import Channel, Form
from ecteam.fit.labels import Scales
from ecteam.terms import NeighbourExponential, ThreeBody

CITATION = (
    "S. R. Atlas, J. Phys. Chem. A 125, 3760 (2021) and arXiv:2603.05655 (2026), for ECT-EAM; "
    "this parametrisation: ecteam"
)
HYDROGEN, OXYGEN = ("ground", "cation"), ("ground", "anion", "dianion")
RESOLVED = [(f"H {a}", f"O {b}") for a, b in product(HYDROGEN, OXYGEN)][1:]
"""Pairs of states; the first of all, of neutral atoms, is in the repulsion of all states."""
WATER_SCALES = Scales(
    energy=0.003,
    force=0.08,
    stress=np.inf,
    dipole=0.04,
    softening=0.12,
    emphasis={
        "wall": 0.6,
        "h2o-squeezed": 0.9,
        "h2o-collapse": 4.0,
        "h2o-well": {"energy": 4.0, "force": 10.0, "dipole": 4.0},
        "h2o-dimer": 10.0,
        "oh-minus": 10.0,
        **dict.fromkeys(("h5o2-plus", "water-cyclic"), 5.0),
        **dict.fromkeys(("h2o-ring-3", "h2o-ring-4", "h2o-ring-6", "h2o-tight", "h3o-plus"), 3.0),
        **dict.fromkeys(("h2o-md", "h2o-trimer", "h2o-scan"), 2.5),
        "h2o-bend": 2.0,
        **dict.fromkeys(("h3o2-minus", "h2o-stretch", "oh"), 1.5),
    },
)
"""Molecules near their minimum and hydrogen bonds count most; walls only have to be there.

Of two close oxygens that share a hydrogen, a fit to which those count less is bound too well.
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

    The repulsion of O and H depends on their states: a stretched bond and a hydrogen bond have the
    same length, and only the charge of the hydrogen tells them apart. Of the three-body terms,
    those of the angles H-O-H and O-H-O have a fine radial resolution and degree 3, the finest where
    two oxygens share a hydrogen. A fit that freed the polarisability of the anion ended at 3 Å³;
    those of the other states went to zero.
    """
    bends = ThreeBody(3, 3, "slater", 3.6, (0.8, 4.0), ("H-O-H", "O-H-O"))
    others = ThreeBody(2, 1, "slater", 3.6, (1.0, 3.0), ("H-H-O", "O-O-H"))
    shared = ThreeBody(2, 3, "slater", 3.6, (2.5, 5.5), ("O-H-O",))
    return replace(
        unpolarised_water(),
        name="water",
        description="Water, hydroxide, hydronium and their clusters, up to dissociation, with "
        "induced dipoles.",
        decays={**unpolarised_water().decays, **dict.fromkeys(RESOLVED, (2.0, 3.5))},
        terms=bends + others + shared,
        embedding_widths=dict.fromkeys(OXYGEN + HYDROGEN, 60.0),
        polarisabilities={"O": {"anion": 3.0}},
        polarisation_exponents={"O": 2.5},
    )


def stages(form: Form) -> list[tuple[Form, float]]:
    """Forms whose fits come before, each the start of the next, with their tolerances.

    All at once, a fit ends in a minimum with twice the cost. The square root of a neighbour sum,
    which saturates as bonds do, shows the way and is not needed in the end.
    """
    rigid = replace(form, polarisabilities=None, polarisation_exponents=None)
    alike = {pair: decays for pair, decays in form.decays.items() if " " not in pair[0]}
    bonds = NeighbourExponential(2, "square_root", "slater", 3.6, (1.5, 4.0))
    saturated = replace(form, terms=bonds if form.terms is None else form.terms + bonds)
    return [(replace(rigid, decays=alike), 1e-3), (rigid, 1e-3), (saturated, 3e-5)]
