"""The compiled engine. Units: eV, Å, e."""

from collections.abc import Sequence
from typing import Literal, final

import numpy as np
import numpy.typing as npt

__all__ = [
    "Batch",
    "BinPlan",
    "EcteamError",
    "Encoding",
    "EnsembleTables",
    "Evaluation",
    "Evaluator",
    "Frame",
    "InvalidInputError",
    "MeshPlan",
    "NotConvergedError",
    "OneStateTables",
    "PointCharges",
    "Potential",
    "PotentialFormatError",
    "StateLibrary",
    "TermTables",
    "check_structure",
    "decode_charges",
    "decode_density",
    "decode_potential",
    "electron_density",
    "electron_density_gradient",
    "encode",
    "ensemble_tables",
    "formula",
    "formula_names",
    "json_schema",
    "kernel_sources",
    "neighbor_list",
    "num_threads",
    "one_state_tables",
    "start_terms",
    "term_tables",
]

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int32]
_Numbers = npt.NDArray[np.uint8]
_Flags = npt.NDArray[np.bool_]
_Labels = npt.NDArray[np.uint32]
_Electrostatics = Literal["auto", "direct", "ewald", "pme", "shifted_force"]
_Metric = Literal["coulomb", "l2", "kullback-leibler"]
_Solver = Literal["auto", "dense", "krylov"]

def num_threads() -> int: ...

class EcteamError(Exception): ...
class InvalidInputError(EcteamError, ValueError): ...

class NotConvergedError(EcteamError, RuntimeError):
    iterations: int
    residual: float

class PotentialFormatError(EcteamError, ValueError): ...

def neighbor_list(
    positions: _Floats, cell: _Floats, pbc: _Flags, cutoff: float
) -> tuple[_Floats, int]: ...

@final
class Potential:
    @staticmethod
    def from_json(text: str) -> Potential: ...
    def refit(self, text: str) -> Potential: ...
    def to_json(self) -> str: ...
    def coefficients(self) -> list[tuple[str, float, bool, bool, bool, float, float]]: ...
    def with_coefficients(self, values: _Floats) -> Potential: ...
    def with_free_densities(self, states: list[tuple[str, str]]) -> Potential: ...
    def pair_functions(self, first: str, second: str, distances: _Floats) -> _Floats: ...
    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def cutoff(self) -> float: ...
    @property
    def one_state(self) -> bool: ...
    @property
    def polarisable(self) -> bool: ...
    @property
    def has_terms(self) -> bool: ...
    @property
    def elements(self) -> dict[str, list[str]]: ...

@final
class PointCharges:
    def __new__(
        cls,
        *,
        method: Literal["auto", "direct", "ewald", "pme"] = "auto",
        accuracy: float = 1e-6,
        cutoff: float | None = None,
    ) -> PointCharges: ...
    def evaluate(
        self, positions: _Floats, cell: _Floats, pbc: _Flags, charges: _Floats
    ) -> tuple[float, _Floats, _Floats, _Floats | None]: ...

@final
class Frame:
    def __new__(cls, cell: _Floats, pbc: _Flags) -> Frame: ...
    @property
    def inverse(self) -> _Floats: ...
    @property
    def volume(self) -> float: ...
    def mesh(self, atoms: int, cutoff: float, accuracy: float) -> MeshPlan: ...
    def bins(self, atoms: int, corners: _Floats, cutoff: float) -> BinPlan: ...

@final
class MeshPlan:
    @property
    def shape(self) -> list[int]: ...
    @property
    def order(self) -> int: ...
    @property
    def alpha(self) -> float: ...
    @property
    def inverse(self) -> _Floats: ...
    @property
    def powers(self) -> _Floats: ...
    @property
    def influence(self) -> _Floats: ...
    @property
    def self_potential(self) -> float: ...
    @property
    def background(self) -> float: ...

@final
class BinPlan:
    @property
    def cell(self) -> _Floats: ...
    @property
    def inverse(self) -> _Floats: ...
    @property
    def multiples(self) -> npt.NDArray[np.int64]: ...
    @property
    def origin(self) -> list[float]: ...
    @property
    def scale(self) -> list[float]: ...
    @property
    def bins(self) -> list[int]: ...
    @property
    def reach(self) -> list[int]: ...
    @property
    def images(self) -> list[int]: ...
    @property
    def shifts(self) -> _Integers: ...
    @property
    def translations(self) -> _Floats: ...

@final
class OneStateTables:
    @property
    def cutoff(self) -> float: ...
    @property
    def min_distance(self) -> float: ...
    @property
    def elements(self) -> int: ...
    @property
    def species(self) -> _Numbers: ...
    @property
    def pair_numbers(self) -> _Floats: ...
    @property
    def pair_places(self) -> _Integers: ...
    @property
    def rows(self) -> _Floats: ...
    @property
    def knots(self) -> _Floats: ...
    @property
    def embedding_numbers(self) -> _Floats: ...
    @property
    def embedding_places(self) -> _Integers: ...
    @property
    def embedding_values(self) -> _Floats: ...

@final
class EnsembleTables:
    @property
    def cutoff(self) -> float: ...
    @property
    def min_distance(self) -> float: ...
    @property
    def temperature(self) -> float: ...
    @property
    def states(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def species(self) -> _Numbers: ...
    @property
    def counts(self) -> _Integers: ...
    @property
    def charges(self) -> _Floats: ...
    @property
    def starts(self) -> _Floats: ...
    @property
    def embedding_numbers(self) -> _Floats: ...
    @property
    def embedding_places(self) -> _Integers: ...
    @property
    def embedding_values(self) -> _Floats: ...
    @property
    def pair_numbers(self) -> _Floats: ...
    @property
    def pair_places(self) -> _Integers: ...
    @property
    def rows(self) -> _Floats: ...
    @property
    def channel_states(self) -> _Integers: ...
    @property
    def kernel_numbers(self) -> list[float]: ...
    @property
    def kernel_rows(self) -> _Floats: ...
    @property
    def self_potential(self) -> float: ...
    @property
    def coulomb(self) -> float: ...
    @property
    def electrostatics(self) -> str: ...

@final
class TermTables:
    @property
    def cutoff(self) -> float: ...
    @property
    def lmax(self) -> int | None: ...
    @property
    def sums(self) -> list[int]: ...
    @property
    def elements(self) -> int: ...
    @property
    def species(self) -> _Numbers: ...
    @property
    def function_numbers(self) -> _Floats: ...
    @property
    def function_places(self) -> _Integers: ...
    @property
    def rows(self) -> _Floats: ...
    @property
    def nodes(self) -> _Integers: ...
    @property
    def children(self) -> _Integers: ...
    @property
    def coefficients(self) -> _Floats: ...

def term_tables(potential: Potential, numbers: _Numbers) -> TermTables: ...
def ensemble_tables(
    potential: Potential,
    numbers: _Numbers,
    pbc: Sequence[bool],
    electrostatics: _Electrostatics,
    accuracy: float,
) -> EnsembleTables: ...
def one_state_tables(potential: Potential, numbers: _Numbers) -> OneStateTables: ...
def check_structure(positions: _Floats, numbers: _Numbers, cell: _Floats, pbc: _Flags) -> None: ...
def kernel_sources() -> list[tuple[str, str]]: ...
def formula_names() -> list[tuple[str, int]]: ...
def formula(name: str, arguments: _Floats) -> _Floats: ...
def json_schema() -> str: ...
def start_terms(text: str, elements: int) -> str: ...

@final
class Evaluator:
    def __new__(
        cls,
        potential: Potential,
        *,
        tolerance: float = 1e-8,
        electrostatics: _Electrostatics = "auto",
        accuracy: float = 1e-6,
        solver: _Solver = "auto",
        skin: float = 0.5,
        max_iterations: int = 200,
        branch_interval: int = 20,
        shadow: bool = False,
    ) -> Evaluator: ...
    def evaluate(
        self,
        positions: _Floats,
        numbers: _Numbers,
        cell: _Floats,
        pbc: _Flags,
        total_charge: float | _Floats,
        fragments: _Labels | None = None,
        warm: bool = True,
    ) -> Evaluation: ...
    def evaluate_all(
        self,
        systems: Sequence[
            tuple[_Floats, _Numbers, _Floats, _Flags, float | _Floats, _Labels | None]
        ],
    ) -> list[Evaluation | EcteamError]: ...
    def reset(self) -> None: ...

@final
class Evaluation:
    @property
    def energy(self) -> float: ...
    @property
    def free_energy(self) -> float: ...
    @property
    def energies(self) -> _Floats: ...
    @property
    def forces(self) -> _Floats: ...
    @property
    def stress(self) -> _Floats | None: ...
    @property
    def weights(self) -> _Floats: ...
    @property
    def induced_dipoles(self) -> _Floats: ...
    @property
    def charges(self) -> _Floats: ...
    @property
    def background(self) -> _Floats: ...
    @property
    def chemical_potentials(self) -> _Floats: ...
    @property
    def kkt_residual(self) -> float: ...
    @property
    def hessian_products(self) -> int: ...
    @property
    def iterations(self) -> int: ...
    @property
    def positive_definite(self) -> bool: ...
    @property
    def dipole(self) -> _Floats: ...
    @property
    def lower_branch(self) -> float | None: ...
    @property
    def timings(self) -> list[tuple[str, float]]: ...

@final
class Batch:
    def __new__(
        cls,
        *,
        tolerance: float = 1e-8,
        electrostatics: _Electrostatics = "auto",
        accuracy: float = 1e-6,
        solver: _Solver = "auto",
        skin: float = 0.5,
        max_iterations: int = 200,
    ) -> Batch: ...
    def add(
        self,
        positions: _Floats,
        numbers: _Numbers,
        cell: _Floats,
        pbc: _Flags,
        total_charge: float | _Floats,
        fragments: _Labels | None = None,
    ) -> None: ...
    def evaluate(
        self, potential: Potential, warm: bool = True
    ) -> tuple[_Floats, _Floats, _Floats, _Floats, _Floats, list[tuple[int, str]]]: ...
    def jacobian(
        self,
        potential: Potential,
        first: int,
        last: int,
        chosen: Sequence[int],
        warm: bool = True,
    ) -> list[_Floats]: ...
    def __len__(self) -> int: ...

def electron_density(
    potential: Potential,
    positions: _Floats,
    numbers: _Numbers,
    cell: _Floats,
    pbc: _Flags,
    weights: _Floats,
    points: _Floats,
) -> _Floats: ...
def electron_density_gradient(
    potential: Potential,
    positions: _Floats,
    numbers: _Numbers,
    cell: _Floats,
    pbc: _Flags,
    weights: _Floats,
    points: _Floats,
) -> tuple[_Floats, _Floats]: ...

@final
class StateLibrary:
    def __new__(
        cls, elements: dict[int, list[tuple[float, list[float], list[float]]]]
    ) -> StateLibrary: ...

@final
class Encoding:
    @property
    def weights(self) -> _Floats: ...
    @property
    def charges(self) -> _Floats: ...
    @property
    def residual(self) -> float: ...
    @property
    def count_error(self) -> float: ...
    @property
    def dipole_error(self) -> _Floats: ...
    @property
    def gap(self) -> float: ...
    @property
    def objective(self) -> float: ...
    @property
    def iterations(self) -> int: ...

def encode(
    library: StateLibrary,
    positions: _Floats,
    numbers: _Numbers,
    cell: _Floats,
    pbc: _Flags,
    points: _Floats,
    volumes: _Floats,
    density: _Floats,
    *,
    metric: _Metric = "coulomb",
    total_charge: float = 0.0,
    tolerance: float = 1e-8,
    max_iterations: int = 100,
    passes: int = 10,
    count_tolerance: float = 0.1,
) -> Encoding: ...
def decode_charges(
    library: StateLibrary,
    positions: _Floats,
    numbers: _Numbers,
    cell: _Floats,
    pbc: _Flags,
    weights: _Floats,
) -> _Floats: ...
def decode_density(
    library: StateLibrary,
    positions: _Floats,
    numbers: _Numbers,
    cell: _Floats,
    pbc: _Flags,
    weights: _Floats,
    points: _Floats,
) -> _Floats: ...
def decode_potential(
    library: StateLibrary,
    positions: _Floats,
    numbers: _Numbers,
    cell: _Floats,
    pbc: _Flags,
    weights: _Floats,
    points: _Floats,
) -> _Floats: ...
