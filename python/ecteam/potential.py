"""Potentials: load a shipped one or a file, look inside, save."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam import _core, rows
from ecteam.dimers import read_dimers
from ecteam.files import whole_file
from ecteam.library import read_library
from ecteam.parameters import Coefficient, Selection, default_selection, matching, select

if TYPE_CHECKING:
    from ecteam.terms import Expression

FloatArray = npt.NDArray[np.float64]

_DATA = files("ecteam") / "data" / "potentials"


class Potential:
    """A checked, immutable potential. Made by :func:`load` or :meth:`from_json`.

    Two potentials are equal if their contents (SHA-256) are.
    """

    def __init__(self, core: _core.Potential) -> None:
        self.core = core

    @classmethod
    def from_json(cls, text: str) -> Potential:
        """Read the text of a potential file.

        Raises
        ------
        PotentialFormatError
            With the path of the offending field, e.g.
            ``elements.O.states[1].rbf.exponents[3]: must be positive, got -1.2``.
        """
        return cls(_core.Potential.from_json(text))

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Potential:
        """Check and seal the fields of a potential file; an old ``sha256`` is dropped.

        Raises
        ------
        PotentialFormatError
            With the path of the offending field.
        """
        unsealed = {key: value for key, value in fields.items() if key != "sha256"}
        return cls.from_json(json.dumps(unsealed))

    @classmethod
    def from_library(
        cls,
        elements: Sequence[str],
        *,
        states: Sequence[str] = ("ground", "cation", "anion"),
        embedding: Literal["dimers"] | None = "dimers",
        electronic_temperature: float = 0.02,
        radius: float = 8.0,
        switch_width: float = 3.0,
    ) -> Potential:
        """Start a potential from the shipped atomic states, before any fit.

        State energies, densities and electrostatics are complete and have no fitted parameter.
        Embedding functions are constructed from the curves of the dimers X₂, X₂⁺ and X₂⁻ (see
        :mod:`ecteam.construction`), which the potential reproduces; nothing is fitted to compounds,
        and ``ecteam show library`` says how far off these are. There is no resonance.

        Parameters
        ----------
        elements : sequence of str
            Chemical symbols, H to Kr.
        states : sequence of str
            Names of the states of each element; the first must be ``ground``.
        embedding : "dimers" or None
            Construct embedding functions, for which every state of every element needs a curve
            (``ground``, ``cation`` and ``anion`` of H, Li, N, O, F, Na and Cl), or leave them out.
        electronic_temperature : float
            Width of the ensemble, eV.
        radius, switch_width : float
            Range of the short-ranged functions and of the switch inside it, Å.

        Raises
        ------
        InvalidInputError
            If the library lacks an element or a state, or a state has no dimer curve.
        PotentialFormatError
            If a range or the temperature is not allowed, or there is no element.
        """
        if embedding not in ("dimers", None):
            raise _core.InvalidInputError(f"embedding: must be 'dimers' or None, got {embedding!r}")
        library = read_library()
        bare = cls.from_dict(
            {
                "format": "ecteam/1",
                "name": "library-" + "-".join(symbol.lower() for symbol in elements),
                "description": "Isolated atomic states and their electrostatics; nothing fitted.",
                "citation": f"ecteam library of atomic states {library.version}, "
                f"SHA-256 {library.sha256}",
                "units": {"energy": "eV", "length": "Å", "charge": "e"},
                "elements": {
                    symbol: {"states": [library[symbol][n].to_potential() for n in states]}
                    for symbol in elements
                },
                "repulsions": [],
                "resonances": [],
                "electronic_temperature": electronic_temperature,
                "cutoff": {"radius": radius, "switch_width": switch_width},
            }
        )
        return bare if embedding is None else bare._with_dimer_embeddings()

    def _with_dimer_embeddings(self) -> Potential:
        """Construct the embedding functions of all states."""
        from ecteam.construction import dimer_embeddings

        dimers, fields = read_dimers(), self.to_dict()
        for symbol, element in fields["elements"].items():
            names = [state["name"] for state in element["states"]]
            found = dimer_embeddings(self.core, symbol, names, dimers)
            for state in element["states"]:
                state["embedding"] = found[state["name"]]
        fields["description"] = (
            "Isolated atomic states, their electrostatics, and embedding functions constructed "
            "from homonuclear dimers; nothing fitted."
        )
        fields["citation"] += f"; dimer curves, SHA-256 {dimers.sha256}"
        return Potential.from_dict(fields)

    @property
    def name(self) -> str:
        """Short name."""
        return self.core.name

    @property
    def sha256(self) -> str:
        """SHA-256 of the contents, hexadecimal."""
        return self.core.sha256

    @property
    def cutoff(self) -> float:
        """Range of the short-ranged functions, Å."""
        return self.core.cutoff

    @property
    def elements(self) -> dict[str, list[str]]:
        """Names of the states of each element, in the order of the weights."""
        return self.core.elements

    @property
    def expression(self) -> Expression | None:
        """The learned terms without their coefficients; None if there are none."""
        from ecteam.terms import Expression

        terms = self.to_dict().get("terms")
        return None if terms is None else Expression.from_dict(terms)

    @property
    def coefficients(self) -> list[Coefficient]:
        """Every number that may be a parameter of a fit, see :mod:`ecteam.parameters`."""
        return [Coefficient(*row) for row in self.core.coefficients()]

    def with_coefficients(self, values: npt.ArrayLike) -> Potential:
        """Return the same potential with other values of all :attr:`coefficients`.

        Raises
        ------
        InvalidInputError
            Unless there is one finite number for each.
        PotentialFormatError
            If a value is outside what the potential file allows.
        """
        return Potential(self.core.with_coefficients(np.asarray(values, dtype=np.float64)))

    def free_densities(self, *states: str) -> Potential:
        """Return the same potential with the densities of some states among its parameters.

        A density ρ(r) = Σ_k c_k ζ_k³/(8π) exp(−ζ_k r) keeps its electron count Σ c_k and its
        nuclear cusp ρ′(0) = −2Zρ(0) exactly, whatever the values of its parameters,
        ``density[O anion: exponent 1]`` and ``density[O anion: coefficient 2]``: two coefficients
        follow from the others. They are those of the largest and the smallest ζ³(2Z − ζ), functions
        of the core as a rule, for which the two equations are best conditioned; the file keeps
        which (``rbf.solved``). A density must be nowhere negative. Restoring both conditions
        exactly moves coefficients by some 1e-9 e.

        Parameters
        ----------
        *states : str
            ``"O anion"``; ``*`` stands for anything, a leading ``!`` takes what matches out again.

        Raises
        ------
        InvalidInputError
            If a pattern matches nothing, or a state has less than two Slater functions or a density
            without the cusp.
        """
        names = [(symbol, name) for symbol, own in self.elements.items() for name in own]
        found = matching([" ".join(name) for name in names], states, "states")
        return Potential(self.core.with_free_densities([names[k] for k in found]))

    def select(self, *patterns: str) -> Selection:
        """Choose the parameters of a fit by name.

        Parameters
        ----------
        *patterns : str
            Names of :attr:`coefficients`; ``*`` stands for anything, a leading ``!`` takes what
            matches out again. None: as without a selection.

        Returns
        -------
        Selection
            What :func:`ecteam.fit.train` and :func:`ecteam.fisher.fisher` accept.

        Raises
        ------
        InvalidInputError
            If a pattern matches nothing.
        """
        return select(self, patterns) if patterns else default_selection(self)

    @property
    def parameters(self) -> FloatArray:
        """Values of the parameters of a fit without a selection, (P,)."""
        return self.select().parameters

    @property
    def parameter_names(self) -> list[str]:
        """Their names."""
        return self.select().parameter_names

    @property
    def parameter_bounds(self) -> FloatArray:
        """Their smallest and largest values, (P, 2)."""
        return self.select().parameter_bounds

    @property
    def linear_parameters(self) -> npt.NDArray[np.bool_]:
        """Mark those the energy is linear in all together, (P,)."""
        return self.select().linear_parameters

    def with_parameters(self, parameters: npt.ArrayLike) -> Potential:
        """Return the same potential with other parameters, (P,).

        Raises
        ------
        InvalidInputError
            Unless there is one finite number for each parameter.
        PotentialFormatError
            If a value is outside what the potential file allows.
        """
        return self.select().with_parameters(parameters).potential

    def predictions(self, structures: Sequence[Atoms]) -> FloatArray:
        """Give all numbers the structures predict, in the rows of :mod:`ecteam.rows`.

        The energy is the free energy, of which the forces are the slope.

        Raises
        ------
        InvalidInputError, NotConvergedError
            As :func:`ecteam.evaluate`, with the number of the structure.
        """
        return rows.predictions(self, structures)

    def jacobian(self, structures: Sequence[Atoms]) -> tuple[FloatArray, FloatArray]:
        """Predictions (R,) and their derivatives by the parameters (R, P)."""
        return self.select().jacobian(structures)

    def to_json(self) -> str:
        """Text of the potential file, sealed with its SHA-256."""
        return self.core.to_json()

    def to_dict(self) -> dict[str, Any]:
        """Fields of the potential file; changing the result does not change the potential."""
        fields: dict[str, Any] = json.loads(self.to_json())
        return fields

    def save(self, path: str | Path) -> None:
        """Write the potential file, whole or not at all."""
        with whole_file(path) as part:
            part.write_text(self.to_json(), encoding="utf-8")

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Pickle as the text of the file."""
        return Potential.from_json, (self.to_json(),)

    def __eq__(self, other: object) -> bool:
        """Compare contents."""
        return isinstance(other, Potential) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        """Hash of the contents."""
        return hash(self.sha256)

    def __repr__(self) -> str:
        """Name, elements and the start of the SHA-256."""
        elements = " ".join(self.elements)
        return f"<Potential {self.name}: {elements}, cutoff {self.cutoff:g} Å, {self.sha256[:8]}>"


def available() -> list[str]:
    """Names of the potentials shipped with the package."""
    return sorted(
        entry.name.removesuffix(".json")
        for entry in _DATA.iterdir()
        if entry.name.endswith(".json")
    )


def load(name_or_path: str | Path | Potential) -> Potential:
    """Load a shipped potential by name, or a potential file by path.

    Parameters
    ----------
    name_or_path : str, Path or Potential
        A name from :func:`available`, else a path; a `Potential` is returned as it is.

    Raises
    ------
    InvalidInputError
        If it is neither a shipped name nor a file, or of another type.
    PotentialFormatError
        If the file breaks the format; the message names the file and the field.
    """
    if isinstance(name_or_path, Potential):
        return name_or_path
    if not isinstance(name_or_path, str | os.PathLike):
        raise _core.InvalidInputError(
            "potential: must be a name, a path or a Potential, got "
            f"{type(name_or_path).__name__} {name_or_path!r}"
        )
    if str(name_or_path) in available():
        return _shipped(str(name_or_path))
    text = _read(Path(name_or_path))
    try:
        return Potential.from_json(text)
    except _core.PotentialFormatError as error:
        raise _core.PotentialFormatError(f"{name_or_path}: {error}") from None


@cache
def _shipped(name: str) -> Potential:
    """One object for all who ask: its tables are compiled with the first evaluation and kept."""
    return Potential.from_json((_DATA / f"{name}.json").read_text(encoding="utf-8"))


def _read(path: Path) -> str:
    if not path.is_file():
        shipped = ", ".join(available()) or "none"
        raise _core.InvalidInputError(
            f"potential: must be a shipped name ({shipped}) or a file, got {str(path)!r}"
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _core.PotentialFormatError(f"{path}: is not UTF-8 text: {error}") from None
