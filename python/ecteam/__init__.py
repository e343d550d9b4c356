"""A reactive, variable-charge interatomic potential: atoms are ensembles of atomic states.

Units: eV, Å, e.
"""

from importlib.metadata import version

from ecteam._core import (
    EcteamError,
    InvalidInputError,
    NotConvergedError,
    PotentialFormatError,
    json_schema,
)
from ecteam.calculator import ECTEAM
from ecteam.charges import ChargeEnergy, PointCharges
from ecteam.cuda.backend import DeviceError
from ecteam.decoder import DecodedDensity, decode
from ecteam.density import electron_density, write_cube
from ecteam.encoder import EncodedDensity, encode
from ecteam.evaluate import Result, evaluate
from ecteam.interop import read_setfl
from ecteam.library import AtomicState, Element, states
from ecteam.molecular_dynamics import Dynamics
from ecteam.neighbors import neighbor_list
from ecteam.polarisation import polarised
from ecteam.potential import Potential, available, load
from ecteam.sampling import SampledDensity
from ecteam.threads import limit_threads

__version__ = version("ecteam")

__all__ = [
    "ECTEAM",
    "AtomicState",
    "ChargeEnergy",
    "DecodedDensity",
    "DeviceError",
    "Dynamics",
    "EcteamError",
    "Element",
    "EncodedDensity",
    "InvalidInputError",
    "NotConvergedError",
    "PointCharges",
    "Potential",
    "PotentialFormatError",
    "Result",
    "SampledDensity",
    "available",
    "decode",
    "electron_density",
    "encode",
    "evaluate",
    "json_schema",
    "limit_threads",
    "load",
    "neighbor_list",
    "polarised",
    "read_setfl",
    "states",
    "write_cube",
]
