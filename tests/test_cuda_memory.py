"""What a device has no memory for: pairs are looked up again, or the error names the bytes."""

import numpy as np
import pytest
from ecteam import DeviceError
from ecteam.cuda.energy import memory_of
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.structure import arrays_of
from host_backend import HostBackend
from host_compiler import needs_compiler
from strategies import POTENTIALS, placed_molecules, sheared

# Of liquid water: most neighbours within the cutoff, listed ones, points of the mesh for an atom.
MILLION, NEIGHBORS, LISTED, POINTS = 1_000_000, 50, 72, 125


def liquid(charge=0.0):
    rng = np.random.default_rng(3)
    return (*arrays_of(sheared(placed_molecules(rng, 8, 2.9, 0.1), rng)), charge)


def on_device(memory):
    backend = HostBackend(memory=memory)
    options = {"tolerance": 1e-11, "electrostatics": "pme"}
    return EnsembleEvaluator(POTENTIALS["toy"].core, backend, **options)


@needs_compiler
def test_functions_of_pairs_are_looked_up_where_there_is_no_room_for_them():
    rich, poor = on_device(1 << 40), on_device(125_000)
    found, other = (evaluator.evaluate(*liquid(0.5)) for evaluator in (rich, poor))
    assert (rich.energy.looks_up, poor.energy.looks_up) == (False, True)
    assert found.free_energy == pytest.approx(other.free_energy, rel=0, abs=1e-10)
    for name in ("weights", "forces", "energies", "stress"):
        both = getattr(found, name), getattr(other, name)
        np.testing.assert_allclose(*both, rtol=0, atol=1e-9, err_msg=name)
    assert poor.energy.pair_bytes < 0.3 * rich.energy.pair_bytes


@needs_compiler
def test_an_error_names_the_bytes_needed_and_available():
    message = r"state weights of 24 atoms needs (\d+) bytes .*, 100000 bytes .* are available"
    with pytest.raises(DeviceError, match=message):
        on_device(100_000).evaluate(*liquid())


def test_a_million_atoms_of_water_fit_into_sixteen_gigabytes():
    kept, looked_up = memory_of(MILLION, NEIGHBORS, states=3, channels=2)
    besides = MILLION * (4 * LISTED + 240 + 36 * POINTS)
    assert kept + besides < 16e9
    assert looked_up + besides < 8e9
