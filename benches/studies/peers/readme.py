"""Extract of the tables in the README."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ecteam.files import whole_file
from ecteam.peers import PeerTable

from .tables import markdown

BEGIN = "<!-- made by benches/studies/peers -->"
END = "<!-- end of what benches/studies/peers makes -->"
HEADINGS = {
    "water": "`water`, beside PBE0/aug-cc-pVDZ",
    "water-unpolarised": "`water-unpolarised`, beside PBE0/aug-cc-pVDZ",
    "halides": "`halides`, beside experiment",
    "oxides": "`oxides`, beside experiment",
    "copper": "`copper`: clusters beside PBE/LANL2DZ, crystal beside experiment",
}
WATER = (
    "r(OH)",
    "dimer O–O",
    "dimer binding",
    "binding (H2O)5",
    "binding (H2O)7",
    "binding OH-(H2O)2",
    "H3O+ + OH- → 2 H2O releases",
    "RMSE of energies, neutral, held out ≤ 0.15 eV/atom",
    "RMSE of forces, neutral, held out ≤ 0.15 eV/atom",
    "RMSE of dipoles, neutral, held out ≤ 0.15 eV/atom",
)
ROWS = {
    "water": WATER,
    "water-unpolarised": WATER,
    "halides": (
        "LiF bond",
        "NaCl bond",
        "NaCl dissociation",
        "NaCl dipole",
        "NaCl charge jumps at",
        "NaCl lattice constant",
        "NaCl cohesive energy",
        "KCl dipole",
        "bcc Na bound by, at 4.225 Å",
        "Cl2 dissociation",
    ),
    "oxides": (
        "MgO bond",
        "MgO dissociation",
        "rock salt lattice constant",
        "rock salt cohesive energy",
        "rock salt bulk modulus",
    ),
    "copper": (
        "Cu2 energy",
        "Cu3+ angle",
        "Cu3 angle",
        "Cu3- angle",
        "Cu3- energy",
        "fcc lattice constant",
        "fcc cohesive energy",
        "fcc bulk modulus",
    ),
}
"""Names of the rows, hits and misses."""


def extract(tables: Mapping[str, PeerTable]) -> str:
    """Heading and some rows of every potential."""
    parts = [f"**{HEADINGS[name]}**\n\n{markdown(tables[name], ROWS[name])}" for name in HEADINGS]
    return "\n\n".join(parts)


def renew(path: Path, tables: Mapping[str, PeerTable]) -> None:
    """Put the extract into a file between its two marks."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    with whole_file(path) as part:
        text = f"{before}{BEGIN}\n{extract(tables)}\n{END}{after}"
        part.write_text(text, encoding="utf-8")
