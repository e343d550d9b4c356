"""The potential `halides` beside experiment, rigid ions, embedded ions and GFN2-xTB: six salts.

Bond length, dissociation energy to neutral atoms, dipole and the distance at which the charge jumps
back for every molecule; lattice constant and cohesive energy of every crystal; and, without a
target, the metals and the halogens, which the potential was not made for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ase.symbols import string2symbols
from ecteam.peers import PeerTable
from ecteam.reference.salts import SALTS, Salt, coulomb_crossing

from .crystals import Crystal, crystal_rows
from .diatomics import Diatomic
from .fumi_tosi import rigid_ions
from .lammps_models import embedded_ion
from .methods import Method, fitted, tight_binding, unfitted
from .sources import HUBER_HERZBERG, KITTEL, SCHIMKA
from .tables import Observable, peer_table, polar

JANAF = (
    "heats of formation of molecule and atoms (NIST-JANAF and CODATA tables) at 0 K, without "
    "zero-point motion"
)
BEAMS = "molecular-beam resonance, lowest vibrational state (CRC Handbook)"
COULOMB_LAW = "observed IP − EA: where e²/(4πε₀r) has paid for the ions"
POTASSIUM = "experiment less thermal expansion and zero-point motion, see ecteam.reference.crystals"
METALS = {"Li": (3.491, 1.63), "Na": (4.225, 1.113), "K": (5.225, 0.934)}
"""Lattice constant (Å) and cohesive energy (eV/atom) of the bcc metal."""
HALOGENS = {"F2": (1.412, 1.66), "Cl2": (1.988, 2.51)}
"""Bond length (Å), dissociation energy without zero-point motion (eV)."""
ABSENT = ("charge-equilibration models of these salts among the ReaxFF and COMB files of LAMMPS",)


def observables() -> list[Observable]:
    """Six rows a salt, then what has no target."""
    rows = []
    for salt in SALTS:
        rows += _molecule(salt) + _crystal(salt)
    for symbol, (constant, cohesion) in METALS.items():
        words, bound = f"bcc {symbol} bound by, at {constant} Å", _metal(symbol, constant)
        rows.append(Observable(words, "eV/atom", cohesion, KITTEL, None, bound, 2))
    for formula, (bond, energy) in HALOGENS.items():
        pair = Diatomic(formula, bond)
        words = f"{formula} dissociation"
        rows.append(Observable(words, "eV", energy, HUBER_HERZBERG, None, pair.dissociation, 2))
    return rows


def _metal(symbol: str, constant: float) -> Callable[[Method], float]:
    metal = Crystal(symbol, "bcc", constant, repeat=4)
    return lambda method: -metal.energy(method, constant)


def _molecule(salt: Salt) -> list[Observable]:
    pair, name = Diatomic(salt.name, salt.bond), salt.name
    energy, scale = salt.dissociation, coulomb_crossing(salt.name)

    def crossing(method: Method) -> float:
        return pair.crossing(method, scale)

    return [
        Observable(f"{name} bond", "Å", salt.bond, HUBER_HERZBERG, 0.03, pair.bond),
        Observable(
            f"{name} dissociation",
            "eV",
            energy,
            JANAF,
            0.05 * energy,
            pair.dissociation,
            2,
        ),
        Observable(f"{name} dipole", "D", salt.dipole, BEAMS, 0.5, polar(pair.dipole), 2),
        Observable(
            f"{name} charge jumps at", "Å", scale, COULOMB_LAW, 0.1 * scale, polar(crossing), 2
        ),
    ]


def _crystal(salt: Salt) -> list[Observable]:
    solid = Crystal(salt.name, "rocksalt", salt.lattice_constant)
    source = POTASSIUM if "K" in string2symbols(salt.name) else SCHIMKA
    known = {
        "lattice constant": (salt.lattice_constant, 0.015, source),
        "cohesive energy": (salt.cohesion, 0.04, source),
    }
    return crystal_rows(salt.name, solid, known)


def methods(others: Sequence[str]) -> dict[str, Method]:
    """Every method by name."""
    found = fitted("halides", others) | construction()
    return found | tight_binding() | rigid_ions() | embedded_ion()


def construction() -> dict[str, Method]:
    """Embedding from dimer curves where there are any: not for potassium."""
    (dimers,), (bare,) = unfitted(embedding="dimers").values(), unfitted(embedding=None).values()
    about = (
        "Potential.from_library(embedding='dimers'), without embedding for potassium, fitted to "
        "nothing"
    )
    return {
        "not fitted": Method(
            lambda atoms, charge, spin: (bare if "K" in atoms.symbols else dimers).make(
                atoms, charge, spin
            ),
            about,
        )
    }


def table(others: Sequence[str] = ()) -> PeerTable:
    """Compute everything."""
    title = "halides beside experiment: molecules and crystals"
    return peer_table("halides", title, observables(), methods(others), ABSENT)
