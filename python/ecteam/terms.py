"""Learned terms: small models of an atom's neighbours that add and multiply.

``Pair(8) + Pair(4) * ThreeBody(3, lmax=2)`` is an expression, the energy of an atom;
``expression.potential(["Nb"])`` makes a :class:`ecteam.Potential` of it, whose parameters a fit
finds. After W. Wang, M. K. Transtrum, V. Lordi, V. V. Bulatov and A. Samanta, arXiv:2504.19372.

Radial functions g_k are ``functions`` members of a family, each times (1 − r²/cutoff²)³ (C² at the
cutoff). With c the cutoff and x the distance mapped linearly from ``span`` to [−1, 1]:

=============  ==============================  =====================================
family         g_k, k = 0 … n − 1              span
=============  ==============================  =====================================
``chebyshev``  T_k(x)                          distances, Å; default 0, cutoff
``bessel``     sin((k + 1)πr/c)/(πr/c)         none
``gaussian``   exp(−η_k (r² − c²/4))           smallest and largest η, Å⁻²
``slater``     exp(−ζ_k (r − c/2))             smallest and largest ζ, Å⁻¹
=============  ==============================  =====================================

where η and ζ are geometric series (even-tempered), by default from 2/c² to 40/c² and from 2/c to
20/c.

In a product the leading coefficient of every factor but the first is held at its value: the first
factor sets the scale.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np

from ecteam import _core
from ecteam.potential import Potential

__all__ = ["Constant", "Expression", "NeighbourExponential", "Pair", "Product", "Sum", "ThreeBody"]

Family = Literal["chebyshev", "bessel", "gaussian", "slater"]
Function = Literal["exponential", "square_root", "spline"]
Span = tuple[float, float]


class Expression(ABC):
    """An energy per atom; immutable, compared by value, composed with ``+`` and ``*``."""

    kind: ClassVar[str]

    @property
    def children(self) -> tuple[Expression, ...]:
        """Terms of a sum or factors of a product; empty for a single model."""
        return ()

    def __add__(self, other: Expression) -> Expression:
        """Sum of two models."""
        return Sum(_flat(Sum, self, other)) if isinstance(other, Expression) else NotImplemented

    def __mul__(self, other: Expression) -> Expression:
        """Product of two models, atom by atom."""
        return (
            Product(_flat(Product, self, other))
            if isinstance(other, Expression)
            else NotImplemented
        )

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Fields of the potential file, without coefficients."""

    @staticmethod
    def from_dict(terms: dict[str, Any]) -> Expression:
        """Expression of the ``terms`` of a potential file, or of :meth:`to_dict`.

        Raises
        ------
        InvalidInputError
            If the kind of a model is unknown.
        """
        kind = terms.get("kind")
        for join, name in ((Sum, "terms"), (Product, "factors")):
            if kind == join.kind:
                return join(tuple(Expression.from_dict(child) for child in terms[name]))
        for model in (Constant, Pair, ThreeBody, NeighbourExponential):
            if kind == model.kind:
                return model._read(terms)
        raise _core.InvalidInputError(f"terms.kind: must be a known model, got {kind!r}")

    def potential(
        self,
        elements: Sequence[str],
        *,
        name: str = "terms",
        description: str = "",
        seed: int | None = None,
    ) -> Potential:
        """Potential of this expression alone, with parameters to start a fit from.

        Parameters
        ----------
        elements : sequence of str
            Chemical symbols.
        name, description : str
            Of the potential file.
        seed : int, optional
            Vary the parameters that enter nonlinearly by 10 %, to start a fit from another place.

        Raises
        ------
        PotentialFormatError
            If an element or a setting is outside its range; the message names it.
        """
        symbols = sorted(set(elements))
        terms = json.loads(_core.start_terms(json.dumps(self.to_dict()), len(symbols)))
        start = Potential.from_dict(_file(symbols, terms, name, description))
        return start if seed is None else _varied(start, np.random.default_rng(seed))


def _flat(
    join: type[Sum] | type[Product], first: Expression, second: Expression
) -> tuple[Expression, ...]:
    """Children of a sum of sums, or a product of products."""
    return tuple(
        child
        for side in (first, second)
        for child in (side.children if isinstance(side, join) else (side,))
    )


def _file(symbols: Sequence[str], terms: Any, name: str, description: str) -> dict[str, Any]:
    """Fields of a potential whose atoms have one state and no other interaction."""
    ground = {"name": "ground", "charge": 0.0, "multiplicity": 1, "energy": 0.0}
    return {
        "format": "ecteam/1",
        "name": name,
        "description": description,
        "citation": "",
        "units": {"energy": "eV", "length": "Å", "charge": "e"},
        "elements": {symbol: {"states": [ground]} for symbol in symbols},
        "repulsions": [],
        "resonances": [],
        "electronic_temperature": 0.0,
        "cutoff": {"radius": _largest_cutoff(terms), "switch_width": 0.0},
        "terms": terms,
    }


def _largest_cutoff(terms: dict[str, Any]) -> float:
    own = terms["radial"]["cutoff"] if "radial" in terms else 1.0
    children = terms.get("terms", terms.get("factors", []))
    return max([own, *map(_largest_cutoff, children)])


def _varied(potential: Potential, random: np.random.Generator) -> Potential:
    """Change nonlinear parameters by 10 % of their size, of one where they are zero."""
    values = potential.parameters
    size = np.where(values == 0.0, 1.0, np.abs(values)) * ~potential.linear_parameters
    return potential.with_parameters(values + 0.1 * size * random.standard_normal(len(values)))


@dataclass(frozen=True)
class Sum(Expression):
    """Sum of models."""

    terms: tuple[Expression, ...]
    kind: ClassVar[str] = "sum"

    @property
    def children(self) -> tuple[Expression, ...]:
        """Terms."""
        return self.terms

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Expression.to_dict`."""
        return {"kind": self.kind, "terms": [term.to_dict() for term in self.terms]}

    def __repr__(self) -> str:
        """Read like the formula."""
        return " + ".join(map(repr, self.terms))


@dataclass(frozen=True)
class Product(Expression):
    """Product of models, atom by atom."""

    factors: tuple[Expression, ...]
    kind: ClassVar[str] = "product"

    @property
    def children(self) -> tuple[Expression, ...]:
        """Factors."""
        return self.factors

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Expression.to_dict`."""
        return {"kind": self.kind, "factors": [factor.to_dict() for factor in self.factors]}

    def __repr__(self) -> str:
        """Read like the formula."""
        return " * ".join(f"({f!r})" if isinstance(f, Sum) else repr(f) for f in self.factors)


class Single(Expression):
    """A single model: a dataclass of settings."""

    @classmethod
    def _read(cls, terms: dict[str, Any]) -> Expression:
        given = {k: v for k, v in {**terms, **terms.get("radial", {})}.items() if v is not None}
        names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        span = {"span": tuple(given["span"])} if "span" in given else {}
        return cls(**{**{k: v for k, v in given.items() if k in names}, **span})

    def __repr__(self) -> str:
        """Read like the constructor call, without settings at their defaults."""
        parts = []
        for k, field in enumerate(fields(self)):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if k == 0:
                parts.append(repr(value))
            elif value != field.default:
                parts.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True, repr=False)
class Constant(Single):
    """A constant energy for each element; it lets data have any zero of energy."""

    kind: ClassVar[str] = "constant"

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Expression.to_dict`."""
        return {"kind": self.kind, "coefficients": []}


@dataclass(frozen=True, repr=False)
class Pair(Single):
    """Pair energies Σ_j Σ_k c_k g_k(r_ij), c the same for both atoms of a pair.

    Attributes
    ----------
    functions : int
        Number of radial functions, 1–32.
    family : str
        See the module.
    cutoff : float
        Å.
    span : (float, float), optional
        Ends of the family.
    """

    functions: int
    family: Family = "chebyshev"
    cutoff: float = 5.5
    span: Span | None = None
    kind: ClassVar[str] = "pair"

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Expression.to_dict`."""
        return {"kind": self.kind, "radial": _radial(self), "coefficients": []}


@dataclass(frozen=True, repr=False)
class ThreeBody(Single):
    """Angular energies Σ_{p≤q} Σ_l c_pql Σ_jk g_p(r_ij) g_q(r_ik) P_l(cos θ_jik).

    p and q count the radial functions of every neighbouring element; the sum runs over j = k too.
    It is computed from Σ_j g_p S_lm, at a cost linear in the neighbours.

    Attributes
    ----------
    functions : int
        Number of radial functions, 1–32.
    lmax : int
        Largest degree l of the Legendre polynomials, 0–4.
    family, cutoff, span
        As in :class:`Pair`.
    triples : sequence of str, optional
        Neighbour, centre and neighbour of the triples this is for, ``["H-O-H"]``; the coefficients
        of all others are zero and no parameters. Default: all. Not in a further factor of a
        product, whose leading coefficient is held.
    """

    functions: int
    lmax: int
    family: Family = "chebyshev"
    cutoff: float = 5.5
    span: Span | None = None
    triples: tuple[str, ...] | None = None
    kind: ClassVar[str] = "three_body"

    def __post_init__(self) -> None:
        """Let triples be any sequence."""
        if self.triples is not None:
            object.__setattr__(self, "triples", tuple(self.triples))

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Expression.to_dict`."""
        fields = {"kind": self.kind, "radial": _radial(self), "lmax": self.lmax}
        chosen = {} if self.triples is None else {"triples": list(self.triples)}
        return {**fields, **chosen, "coefficients": []}


@dataclass(frozen=True, repr=False)
class NeighbourExponential(Single):
    """A function F(s) of a neighbour sum s = Σ_j Σ_k c_k g_k(r_ij).

    ========================  ===================================================================
    function                  F(s)
    ========================  ===================================================================
    ``exponential``           a exp(−s)
    ``square_root``           a (√p(s) − √p(0)), p = (s + √(s² + δ²))/2, δ = 0.01; c_k ≥ 0
    ``spline``                uniform cubic B-spline with ``knots`` coefficients between the ends
                              of ``range``, straight beyond, zero at s = 0; its first coefficient
                              and the first c_k are held
    ========================  ===================================================================

    Attributes
    ----------
    functions : int
        Number of radial functions, 1–32.
    function : str
        Shape of F.
    family, cutoff, span
        As in :class:`Pair`.
    knots : int
        4–64, default 8; of ``spline`` only.
    range : (float, float)
        First and last s, default 0 and 40; of ``spline`` only.

    Raises
    ------
    InvalidInputError
        If `knots` or `range` are given for another function.
    """

    functions: int
    function: Function = "exponential"
    family: Family = "gaussian"
    cutoff: float = 5.5
    span: Span | None = None
    knots: int | None = None
    range: Span | None = None
    kind: ClassVar[str] = "neighbour_exponential"

    def __post_init__(self) -> None:
        """Fill in the defaults of a spline."""
        for name, default in (("knots", 8), ("range", (0.0, 40.0))):
            given = getattr(self, name)
            if self.function == "spline":
                object.__setattr__(self, name, default if given is None else given)
            elif given is not None:
                raise _core.InvalidInputError(
                    f"{name}: must be absent for function {self.function!r}, got {given!r}"
                )

    @classmethod
    def _read(cls, terms: dict[str, Any]) -> Expression:
        shape = terms["function"]
        flat = {**terms, "function": shape["form"]}
        if "knots" in shape:
            flat |= {"knots": shape["knots"], "range": tuple(shape["span"])}
        return super()._read(flat)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Expression.to_dict`."""
        shape: dict[str, Any] = {"form": self.function}
        if self.range is not None:
            shape |= {"knots": self.knots, "span": list(self.range)}
        return {
            "kind": self.kind,
            "radial": _radial(self),
            "function": shape,
            "coefficients": [],
        }


def _radial(model: Any) -> dict[str, Any]:
    settings = asdict(model)
    names = ("family", "functions", "cutoff", "span")
    return {name: settings[name] for name in names if settings[name] is not None}
