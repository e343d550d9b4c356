"""Forms of the shipped potentials `halides`, `oxides` and `copper`; see :mod:`ecteam.fit.water`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement

import numpy as np

from ecteam.fit.form import Channel, Form
from ecteam.fit.water import CITATION
from ecteam.library import read_library
from ecteam.terms import NeighbourExponential, ThreeBody

METALS, HALOGENS = ("Li", "Na", "K"), ("F", "Cl")


def halides() -> Form:
    """Li, Na, K (ground, cation) and F, Cl (ground, anion); F⁻, Cl⁻ and K⁺ are polarised."""
    ion = dict.fromkeys(HALOGENS, "anion") | dict.fromkeys(METALS, "cation")
    return Form(
        name="halides",
        description="Fluorides and chlorides of lithium, sodium and potassium: molecules, "
        "clusters, ions, crystals.",
        citation=CITATION,
        states={symbol: ("ground", name) for symbol, name in ion.items()},
        decays=_halide_decays(ion),
        channels=[
            Channel((x, m), ("ground", "anion"), ("ground", "cation"))
            for x in HALOGENS
            for m in METALS
        ],
        electronic_temperature=0.02,
        radius=10.0,
        switch_width=4.0,
        coefficients=2,
        # Wider ones let the pair functions and the embedding of neutral atoms cancel in molecules,
        # and atoms of a hot crystal fall into each other.
        embedding_widths={"ground": 6.0, "anion": 0.5, "cation": 0.5},
        bounds={"embedding[* 2]": (0.0, np.inf), "resonance[*: decay]": (0.3, np.inf)},
        resonance=(1.0, 1.2),
        polarisabilities={
            symbol: {ion[symbol]: read_library()[symbol][ion[symbol]].polarisability or 0.0}
            for symbol in ("F", "Cl", "K")
        },
        # The molecules' dipoles say how far the field of a cation reaches into an anion.
        polarisation_exponents={"F": 1.15, "Cl": 1.06, "K": 2.5},
    )


def _halide_decays(ion: Mapping[str, str]) -> dict[tuple[str, str], Sequence[float]]:
    """Walls between all states, bonds between neutral atoms, what ions do to each other."""
    decays: dict[tuple[str, str], Sequence[float]] = {}
    for a, b in combinations_with_replacement(sorted(ion), 2):
        decays[a, b] = 3.3, 5.0
        decays[f"{a} ground", f"{b} ground"] = 1.2, 2.0, 3.3
        decays[f"{a} {ion[a]}", f"{b} {ion[b]}"] = 1.5, 3.0, 5.0
    return decays


def oxides() -> Form:
    """Mg (ground, cation, dication) and O (ground, anion, dianion)."""
    metal, oxygen = ("ground", "cation", "dication"), ("ground", "anion", "dianion")
    hops = [(metal[:2], oxygen[:2]), (metal[1:], oxygen[:2])]
    hops += [(metal[:2], oxygen[1:]), (metal[1:], oxygen[1:])]
    return Form(
        name="oxides",
        description="Magnesium oxide: molecule (CCSD(T)), its cation and clusters (PBE0), crystal "
        "(experiment; rigid ions where it is far from order). Not for more oxygen than metal.",
        citation=CITATION,
        states={"Mg": metal, "O": oxygen},
        decays={
            pair: (1.5, 2.5, 4.0, 6.5) for pair in combinations_with_replacement(("Mg", "O"), 2)
        },
        channels=[Channel(("Mg", "O"), first, second) for first, second in hops],
        electronic_temperature=0.05,
        radius=8.0,
        switch_width=3.0,
        coefficients=2,
        terms=ThreeBody(2, lmax=1, family="slater", cutoff=4.5),
        resonance=(2.0, 1.5),
    )


def copper() -> Form:
    """Cu (ground, cation, anion): electrons and holes hop, and repulsion depends on the states.

    The square root of a neighbour sum binds the metal: the true density of the atom, mostly 3d, is
    too short-ranged for that. Chebyshev functions stay bounded where atoms collide.
    """
    ground, cation, anion = "ground", "cation", "anion"
    hops = [((ground, cation), (ground, anion)), ((ground, cation), (cation, ground))]
    hops.append(((ground, anion), (anion, ground)))
    pairs = ((ground, cation), (ground, anion), (cation, cation), (anion, anion), (anion, cation))
    resolved: dict[tuple[str, str], Sequence[float]] = {
        (f"Cu {a}", f"Cu {b}"): (1.0, 2.0, 3.5) for a, b in pairs
    }
    binding = NeighbourExponential(3, "square_root", cutoff=6.0)
    return Form(
        name="copper",
        description="Copper: clusters of charge -1, 0 and +1 (PBE, atomic ions observed), crystal, "
        "surfaces and melt (PBE at the lattice constant of experiment). Cu3 comes out equilateral, "
        "in the reference its angle is 69 degrees.",
        citation=CITATION,
        states={"Cu": (ground, cation, anion)},
        decays={("Cu", "Cu"): (1.2, 2.0, 3.3, 5.0, 8.0), **resolved},
        channels=[Channel(("Cu", "Cu"), first, second) for first, second in hops],
        electronic_temperature=0.05,
        radius=6.0,
        switch_width=2.5,
        coefficients=3,
        terms=binding + ThreeBody(3, lmax=3, cutoff=5.0),
        # Weaker ones leave the charge of an ion on one atom, and the fit never finds out.
        resonance=(20.0, 1.2),
    )
