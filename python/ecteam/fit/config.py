"""Configuration of ``ecteam fit``: what is fitted to what, and everything the fit depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat, PositiveFloat, model_validator

from ecteam._core import InvalidInputError
from ecteam.configuration import Section, checked, read_fields, section_of
from ecteam.fit.labels import Scales
from ecteam.fit.settings import Settings

Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = ("train", "validation", "test")
Sign = Literal["convex", "concave", "rising", "falling"]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
"""Names of parameters; ``*`` stands for anything, a leading ``!`` takes out again."""


class Source(Section):
    """A file of labelled structures.

    Attributes
    ----------
    file : str
        Extended XYZ or any other file ASE reads, from the folder of the configuration; or the name
        of data that ship with the package, ``halides``.
    group : str, optional
        Group of all its structures; default: what ``group`` in each comment line says.
    groups : tuple of str
        Only these groups, ``*`` stands for anything.
    elements : tuple of str
        Only structures made of these.
    highest_energy : float
        Structures further above the lowest one of their composition are left out, eV/atom.
    side : str
        ``hash`` to split by geometry, else all on one side.
    """

    file: str
    group: str | None = None
    groups: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    highest_energy: PositiveFloat = np.inf
    side: Literal["hash", "train", "validation", "test"] = "hash"


class AtomReferences(Section):
    """Energies of isolated neutral atoms, which are subtracted from all energies.

    Attributes
    ----------
    from_data : bool
        Whether neutral lone atoms in the data say them; needs one of each element.
    energies : dict of str to float
        By element, eV; go before those of the data. Default: the data's zero is neutral atoms.
    """

    from_data: bool = False
    energies: dict[str, FiniteFloat] = {}  # noqa: RUF012 - pydantic copies defaults


class Split(Section):
    """Shares of the structures, by a hash of the geometry.

    Attributes
    ----------
    validation, test : float
        Watched during the fit, and looked at after it; neither is fitted.
    seed : int
        Another seed splits in another way.
    """

    validation: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    test: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    seed: int = 0

    @model_validator(mode="after")
    def _leave_something(self) -> Split:
        if self.validation + self.test >= 1.0:
            total = self.validation + self.test
            raise InvalidInputError(f"validation + test: must be below 1, got {total:g}")
        return self


class LibraryStart(Section):
    """Construction from isolated-atom states, see :meth:`ecteam.Potential.from_library`."""

    elements: Annotated[tuple[str, ...], Field(min_length=1)]
    states: Annotated[tuple[str, ...], Field(min_length=1)] = ("ground", "cation", "anion")
    embedding: Literal["dimers", "none"] = "dimers"
    electronic_temperature: Annotated[FiniteFloat, Field(ge=0.0)] = 0.02
    radius: PositiveFloat = 8.0
    switch_width: PositiveFloat = 3.0


class ChannelStart(Section):
    """A charge-transfer channel, see :class:`ecteam.fit.form.Channel`."""

    pair: tuple[str, str]
    first: tuple[str, str]
    second: tuple[str, str]


class FormStart(Section):
    """A form with parameters to fit, see :class:`ecteam.fit.form.Form`.

    Attributes
    ----------
    states : dict
        Element → names of its states in the library, ``ground`` first.
    decays : dict
        Pair of elements, ``"H-O"``, or of their states, ``"H cation-O anion"``, → decays of its
        repulsion, 1/Å; ``"*"`` for all pairs of elements that nothing else names.
    channels : tuple of ChannelStart
        Charge-transfer channels.
    coefficients : int
        Of each embedding function.
    seed : int, optional
        Draw the starting values.
    """

    states: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    decays: dict[str, tuple[PositiveFloat, ...]] = {"*": (1.2, 2.0, 3.3, 5.0)}  # noqa: RUF012
    channels: tuple[ChannelStart, ...] = ()
    electronic_temperature: Annotated[FiniteFloat, Field(ge=0.0)] = 0.02
    radius: PositiveFloat = 8.0
    switch_width: PositiveFloat = 3.0
    coefficients: Annotated[int, Field(ge=1)] = 3
    seed: int | None = None


class Start(Section):
    """Where the fit starts: exactly one of a potential, a construction, or a form.

    Attributes
    ----------
    potential : str, optional
        A shipped name or a file.
    library : LibraryStart, optional
        Isolated-atom states, with embedding functions from dimer curves.
    form : FormStart, optional
        Isolated-atom states with embeddings, repulsions and resonances to fit.
    """

    potential: str | None = None
    library: LibraryStart | None = None
    form: FormStart | None = None

    @model_validator(mode="after")
    def _one(self) -> Start:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise InvalidInputError(
                "must have exactly one of potential, library, form, got "
                + (" and ".join(given) or "none")
            )
        return self


class Bound(Section):
    """Smallest and largest value of some parameters, in their units."""

    parameters: Names
    lowest: float = -np.inf
    highest: float = np.inf

    @model_validator(mode="after")
    def _ordered(self) -> Bound:
        if not self.lowest < self.highest:
            raise InvalidInputError(
                f"lowest: must be below highest, {self.highest:g}, got {self.lowest:g}"
            )
        return self


class Shape(Section):
    """Shape of embedding functions in the density, held by the signs of their coefficients.

    The form is F = Σ c_k s^k, s = √(ρ̄ + δ) − √δ. As s is concave and s², s³, … are convex, the
    function is certainly convex if c₁ ≤ 0 ≤ c₂, c₃, …, concave if c₁ ≥ 0 ≥ c₂, …, rising if no
    coefficient is negative, falling if none is positive. These signs suffice; they are not needed.

    Attributes
    ----------
    states : tuple of str
        ``"O anion"``; ``*`` stands for anything.
    shape : str
        ``convex``, ``concave``, ``rising`` or ``falling``.
    """

    states: Names
    shape: Sign


class Width(Section):
    """Prior of some parameters: a Gaussian of this standard deviation.

    Attributes
    ----------
    parameters : tuple of str
        Names.
    width : float, optional
        In the units of the parameters.
    relative : float, optional
        In place of `width`: relative to the centre of each.
    """

    parameters: Names
    width: PositiveFloat | None = None
    relative: PositiveFloat | None = None

    @model_validator(mode="after")
    def _one(self) -> Width:
        if (self.width is None) == (self.relative is None):
            raise InvalidInputError("must have exactly one of width, relative")
        return self


class PriorWidths(Section):
    """Gaussian prior of the parameters.

    Attributes
    ----------
    centre : str
        A shipped name or a file whose parameters of the same names are the centre; default: the
        starting values, and 1 for density scales.
    widths : tuple of Width
        Later ones go before earlier ones; parameters that none names have no prior, except that a
        form brings its own.
    """

    centre: str | None = None
    widths: tuple[Width, ...] = ()


class Curve(Section):
    """A group whose energies are drawn over a distance, as dissociation curves are.

    Attributes
    ----------
    group : str
        One panel for each composition and charge in it.
    atoms : (int, int)
        Atoms whose distance it is, from 0.
    """

    group: str
    atoms: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] = (0, 1)


class FitConfig(Section):
    """Everything a fit depends on.

    Attributes
    ----------
    name, description, citation : str
        Head of the potential file.
    data, atoms, split, start, prior
        See there.
    densities : tuple of str
        States whose densities are freed, ``O anion``, see
        :meth:`ecteam.Potential.free_densities`; none: all stay those of isolated atoms.
    terms : str
        Formula of learned terms to add, ``Pair(6) + ThreeBody(2, lmax=1)``, see
        :mod:`ecteam.terms`.
    free : tuple of str
        Names of the parameters, see :meth:`ecteam.Potential.select`; none: all that are neither
        held nor fixed.
    bounds, shapes : tuple
        Limits of the parameters.
    scales : Scales
        Expected errors, the inverse weights of the properties, and the emphasis of groups.
    optimiser : Settings
        Regularisation and when to stop.
    curves : tuple of Curve
        Figures of the report.
    """

    data: Annotated[tuple[Source, ...], Field(min_length=1)]
    start: Start
    name: str = "fit"
    description: str = ""
    citation: str = ""
    atoms: AtomReferences = AtomReferences()
    split: Split = Split()
    densities: tuple[str, ...] = ()
    terms: str = ""
    free: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()
    shapes: tuple[Shape, ...] = ()
    prior: PriorWidths = PriorWidths()
    scales: Annotated[Scales, section_of(Scales)] = Scales()
    optimiser: Annotated[Settings, section_of(Settings)] = Settings()
    curves: tuple[Curve, ...] = ()


def read_fit(path: str | Path) -> FitConfig:
    """Read a configuration from TOML (``.toml``) or JSON; relative paths start from its folder.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, or a field is missing, unknown, of the wrong type or out of
        range; the message names it, its value and what is allowed.
    """
    config = checked(FitConfig, read_fields(path))
    folder = Path(path).resolve().parent

    def absolute(name: str) -> str:
        return str(folder / name) if (folder / name).is_file() else name

    data = tuple(s.model_copy(update={"file": absolute(s.file)}) for s in config.data)
    update: dict[str, object] = {"data": data}
    if config.start.potential is not None:
        start = config.start.model_copy(update={"potential": absolute(config.start.potential)})
        update["start"] = start
    if config.prior.centre is not None:
        prior = config.prior.model_copy(update={"centre": absolute(config.prior.centre)})
        update["prior"] = prior
    return config.model_copy(update=update)
