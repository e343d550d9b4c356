"""Electron configurations of the isolated atomic states H–Kr, and which states there are.

Every state is one determinant of real orbitals that belongs to a pure term: Hund's rule for the
open shells, and in d shells the cubic components A₂g of the F terms (e_g² of d², t₂g³ of d³, and
the same for holes), of which a single determinant exists. The one exception is Sc⁻ 3d 4s² 4p,
where d_xy p_z mixes the triplet terms of 3d 4p.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ase.data import atomic_numbers
from ase.data.vdw_alvarez import vdw_radii

__all__ = ["ElementStates", "Shell", "State", "element_states", "shells", "sphere_radius"]

_LETTERS = "spd"
_CORES = {
    "He": "1s2",
    "Ne": "1s2 2s2 2p6",
    "Ar": "1s2 2s2 2p6 3s2 3p6",
    "Ar3d": "1s2 2s2 2p6 3s2 3p6 3d10",
    "Kr": "1s2 2s2 2p6 3s2 3p6 3d10 4s2 4p6",
}


@dataclass(frozen=True)
class Shell:
    """A subshell.

    Attributes
    ----------
    momentum : int
        Angular momentum l.
    up, down : int
        Electrons of each spin.
    """

    momentum: int
    up: int
    down: int

    @property
    def components(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Occupied real orbitals of each spin, in PySCF's order (x y z; xy yz z² xz x²-y²)."""
        return _COMPONENTS[self.momentum][self.up], _COMPONENTS[self.momentum][self.down]


_COMPONENTS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((), (0,)),
    ((), (2,), (0, 1), (0, 1, 2)),
    ((), (0,), (2, 4), (0, 1, 3), (1, 2, 3, 4), (0, 1, 2, 3, 4)),
)


@dataclass(frozen=True)
class State:
    """A state of an element.

    Attributes
    ----------
    symbol : str
        Chemical symbol.
    name : str
        ``ground``, ``cation``, ``anion``, ``dication``, ``dianion`` or ``excited``.
    configuration : str
        Such as ``[He] 2s2 2p4``; empty for a bare nucleus.
    bound : bool
        Whether the state holds its electrons in vacuum, by experiment.
    """

    symbol: str
    name: str
    configuration: str
    bound: bool = True

    @property
    def shells(self) -> tuple[Shell, ...]:
        """Subshells, innermost of each l first."""
        return shells(self.configuration)

    @property
    def electrons(self) -> int:
        """Electron count."""
        return sum(shell.up + shell.down for shell in self.shells)

    @property
    def charge(self) -> int:
        """Charge in e."""
        return int(atomic_numbers[self.symbol]) - self.electrons

    @property
    def spin(self) -> int:
        """Unpaired electrons 2S."""
        return sum(shell.up - shell.down for shell in self.shells)

    @property
    def shell_count(self) -> int:
        """Occupied electron shells: the largest principal quantum number."""
        expanded = re.sub(r"\[(\w+)\]", lambda match: _CORES[match[1]], self.configuration)
        return max((int(word[0]) for word in expanded.split()), default=0)

    @property
    def cubic(self) -> bool:
        """Whether x, y and z are equivalent: S terms, and F terms of d shells."""
        open_shells = [shell for shell in self.shells if _is_open(shell)]
        return all(
            shell.momentum == 0 or (shell.momentum == 2 and shell.up + shell.down in (2, 3, 7, 8))
            for shell in open_shells
        )


def _is_open(shell: Shell) -> bool:
    full = 2 * shell.momentum + 1
    return shell.up != shell.down and not (shell.up == full and shell.down == 0)


@dataclass(frozen=True)
class ElementStates:
    """Configurations of an element, why its excited state was chosen, and where it was observed.

    Attributes
    ----------
    ground, cation, anion, excited : str
        Configurations.
    term : str
        Configuration and term of the excited state.
    observed : float
        Its excitation energy in eV, that of the lowest level of the term; where it comes from says
        `ecteam.reference.experiment`.
    unbound : bool
        Whether the anion is unbound in vacuum.
    """

    ground: str
    cation: str
    anion: str
    excited: str
    term: str
    observed: float
    unbound: bool = False


ELEMENTS = {
    "H": ElementStates("1s1", "", "1s2", "2p1", "2p ²P", 10.1988),
    "He": ElementStates("1s2", "1s1", "1s2 2s1", "1s1 2s1", "1s2s ³S", 19.8196, True),
    "Li": ElementStates("[He] 2s1", "[He]", "[He] 2s2", "[He] 2p1", "2p ²P", 1.8478),
    "Be": ElementStates(
        "[He] 2s2", "[He] 2s1", "[He] 2s2 2p1", "[He] 2s1 2p1", "2s2p ³P", 2.7250, True
    ),
    "B": ElementStates(
        "[He] 2s2 2p1", "[He] 2s2", "[He] 2s2 2p2", "[He] 2s1 2p2", "2s2p² ⁴P", 3.5909
    ),
    "C": ElementStates(
        "[He] 2s2 2p2", "[He] 2s2 2p1", "[He] 2s2 2p3", "[He] 2s1 2p3", "2s2p³ ⁵S", 4.1826
    ),
    "N": ElementStates(
        "[He] 2s2 2p3",
        "[He] 2s2 2p2",
        "[He] 2s2 2p4",
        "[He] 2s2 2p2 3s1",
        "2p²3s ⁴P",
        10.3259,
        True,
    ),
    "O": ElementStates(
        "[He] 2s2 2p4", "[He] 2s2 2p3", "[He] 2s2 2p5", "[He] 2s2 2p3 3s1", "2p³3s ⁵S", 9.1461
    ),
    "F": ElementStates(
        "[He] 2s2 2p5", "[He] 2s2 2p4", "[He] 2s2 2p6", "[He] 2s2 2p4 3s1", "2p⁴3s ⁴P", 12.6967
    ),
    "Ne": ElementStates(
        "[Ne]", "[He] 2s2 2p5", "[Ne] 3s1", "[He] 2s2 2p5 3s1", "2p⁵3s ³P", 16.6191, True
    ),
    "Na": ElementStates("[Ne] 3s1", "[Ne]", "[Ne] 3s2", "[Ne] 3p1", "3p ²P", 2.1023),
    "Mg": ElementStates(
        "[Ne] 3s2", "[Ne] 3s1", "[Ne] 3s2 3p1", "[Ne] 3s1 3p1", "3s3p ³P", 2.7091, True
    ),
    "Al": ElementStates(
        "[Ne] 3s2 3p1", "[Ne] 3s2", "[Ne] 3s2 3p2", "[Ne] 3s2 4s1", "4s ²S", 3.1427
    ),
    "Si": ElementStates(
        "[Ne] 3s2 3p2", "[Ne] 3s2 3p1", "[Ne] 3s2 3p3", "[Ne] 3s1 3p3", "3s3p³ ⁵S", 4.1319
    ),
    "P": ElementStates(
        "[Ne] 3s2 3p3", "[Ne] 3s2 3p2", "[Ne] 3s2 3p4", "[Ne] 3s2 3p2 4s1", "3p²4s ⁴P", 6.9356
    ),
    "S": ElementStates(
        "[Ne] 3s2 3p4", "[Ne] 3s2 3p3", "[Ne] 3s2 3p5", "[Ne] 3s2 3p3 4s1", "3p³4s ⁵S", 6.5245
    ),
    "Cl": ElementStates(
        "[Ne] 3s2 3p5", "[Ne] 3s2 3p4", "[Ar]", "[Ne] 3s2 3p4 4s1", "3p⁴4s ⁴P", 8.9217
    ),
    "Ar": ElementStates(
        "[Ar]", "[Ne] 3s2 3p5", "[Ar] 4s1", "[Ne] 3s2 3p5 4s1", "3p⁵4s ³P", 11.5484, True
    ),
    "K": ElementStates("[Ar] 4s1", "[Ar]", "[Ar] 4s2", "[Ar] 4p1", "4p ²P", 1.6100),
    "Ca": ElementStates("[Ar] 4s2", "[Ar] 4s1", "[Ar] 4s2 4p1", "[Ar] 4s1 4p1", "4s4p ³P", 1.8793),
    "Sc": ElementStates(
        "[Ar] 3d1 4s2", "[Ar] 3d1 4s1", "[Ar] 3d1 4s2 4p1", "[Ar] 3d2 4s1", "3d²4s ⁴F", 1.4283
    ),
    "Ti": ElementStates(
        "[Ar] 3d2 4s2", "[Ar] 3d2 4s1", "[Ar] 3d3 4s2", "[Ar] 3d3 4s1", "3d³4s ⁵F", 0.8129
    ),
    "V": ElementStates(
        "[Ar] 3d3 4s2", "[Ar] 3d4", "[Ar] 3d4 4s2", "[Ar] 3d4 4s1", "3d⁴4s ⁶D", 0.2619
    ),
    "Cr": ElementStates(
        "[Ar] 3d5 4s1", "[Ar] 3d5", "[Ar] 3d5 4s2", "[Ar] 3d4 4s2", "3d⁴4s² ⁵D", 0.9610
    ),
    "Mn": ElementStates(
        "[Ar] 3d5 4s2", "[Ar] 3d5 4s1", "[Ar] 3d6 4s2", "[Ar] 3d6 4s1", "3d⁶4s ⁶D", 2.1142, True
    ),
    "Fe": ElementStates(
        "[Ar] 3d6 4s2", "[Ar] 3d6 4s1", "[Ar] 3d7 4s2", "[Ar] 3d7 4s1", "3d⁷4s ⁵F", 0.8590
    ),
    "Co": ElementStates(
        "[Ar] 3d7 4s2", "[Ar] 3d8", "[Ar] 3d8 4s2", "[Ar] 3d8 4s1", "3d⁸4s ⁴F", 0.4318
    ),
    "Ni": ElementStates(
        "[Ar] 3d8 4s2", "[Ar] 3d9", "[Ar] 3d9 4s2", "[Ar] 3d9 4s1", "3d⁹4s ³D", 0.0254
    ),
    "Cu": ElementStates("[Ar3d] 4s1", "[Ar3d]", "[Ar3d] 4s2", "[Ar] 3d9 4s2", "3d⁹4s² ²D", 1.3889),
    "Zn": ElementStates(
        "[Ar3d] 4s2", "[Ar3d] 4s1", "[Ar3d] 4s2 4p1", "[Ar3d] 4s1 4p1", "4s4p ³P", 4.0061, True
    ),
    "Ga": ElementStates(
        "[Ar3d] 4s2 4p1", "[Ar3d] 4s2", "[Ar3d] 4s2 4p2", "[Ar3d] 4s2 5s1", "5s ²S", 3.07
    ),
    "Ge": ElementStates(
        "[Ar3d] 4s2 4p2", "[Ar3d] 4s2 4p1", "[Ar3d] 4s2 4p3", "[Ar3d] 4s2 4p1 5s1", "4p5s ³P", 4.64
    ),
    "As": ElementStates(
        "[Ar3d] 4s2 4p3", "[Ar3d] 4s2 4p2", "[Ar3d] 4s2 4p4", "[Ar3d] 4s2 4p2 5s1", "4p²5s ⁴P", 6.29
    ),
    "Se": ElementStates(
        "[Ar3d] 4s2 4p4", "[Ar3d] 4s2 4p3", "[Ar3d] 4s2 4p5", "[Ar3d] 4s2 4p3 5s1", "4p³5s ⁵S", 5.97
    ),
    "Br": ElementStates(
        "[Ar3d] 4s2 4p5", "[Ar3d] 4s2 4p4", "[Kr]", "[Ar3d] 4s2 4p4 5s1", "4p⁴5s ⁴P", 7.86
    ),
    "Kr": ElementStates(
        "[Kr]", "[Ar3d] 4s2 4p5", "[Kr] 5s1", "[Ar3d] 4s2 4p5 5s1", "4p⁵5s ³P", 9.9152, True
    ),
}
"""The states of each element.

The excited state is the lowest with another configuration than the ground state. Terms that one
determinant cannot describe (open-shell singlets) do not occur among them. H has 2s and 2p
degenerate; 2p is orthogonal to the ground state by symmetry. Ni: 3d⁸4s² ³F and 3d⁹4s ³D are
0.03 eV apart; the former holds the lowest level.
"""

DIANIONS = {"O": "[Ne]", "S": "[Ar]"}
"""Closed-shell dianions, unbound in vacuum."""

DICATIONS = {"Mg": "[Ne]"}
"""Closed-shell dications of metals whose crystals hold them."""

IONIC_RADII = {"O": 1.40, "S": 1.84}
"""Å: of O²⁻ and S²⁻ (R. D. Shannon, Acta Cryst. A 32, 751 (1976))."""


def sphere_radius(symbol: str) -> float:
    """Radius in Å of the charged sphere that holds an unbound anion.

    R. E. Watson, Phys. Rev. 111, 1108 (1958): the ionic radius of O²⁻ and S²⁻, the van der Waals
    radius elsewhere (S. Alvarez, Dalton Trans. 42, 8617 (2013), through ASE).
    """
    return IONIC_RADII.get(symbol, float(vdw_radii[atomic_numbers[symbol]]))


def element_states(symbol: str) -> list[State]:
    """States of an element, the ground state first.

    Parameters
    ----------
    symbol : str
        Chemical symbol, H to Kr.

    Returns
    -------
    list of State

    Raises
    ------
    KeyError
        If the element is not in `ELEMENTS`.
    """
    row = ELEMENTS[symbol]
    states = [
        State(symbol, "ground", row.ground),
        State(symbol, "cation", row.cation),
        State(symbol, "anion", row.anion, bound=not row.unbound),
        State(symbol, "excited", row.excited),
    ]
    if symbol in DICATIONS:
        states.append(State(symbol, "dication", DICATIONS[symbol]))
    if symbol in DIANIONS:
        states.append(State(symbol, "dianion", DIANIONS[symbol], bound=False))
    return states


def shells(configuration: str) -> tuple[Shell, ...]:
    """Read a configuration such as ``[He] 2s2 2p4``; open shells are high-spin.

    Raises
    ------
    KeyError
        If the core is not one of He, Ne, Ar, Ar3d, Kr.
    """
    words = re.sub(r"\[(\w+)\]", lambda match: _CORES[match[1]], configuration).split()
    return tuple(_shell(_LETTERS.index(word[1]), int(word[2:])) for word in words)


def _shell(momentum: int, electrons: int) -> Shell:
    up = min(electrons, 2 * momentum + 1)
    return Shell(momentum, up, electrons - up)
