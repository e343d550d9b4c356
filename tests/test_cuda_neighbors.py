"""The cell list of the device, run on the CPU, against the engine's neighbour list."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ecteam import DeviceError, InvalidInputError, neighbor_list
from ecteam.cuda.neighbors import NeighborList
from ecteam.structure import arrays_of
from host_backend import HostBackend
from host_compiler import needs_compiler
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = needs_compiler

CHAIN = Atoms("H40", positions=np.outer(np.arange(40), [0.9, 0, 0]), cell=[36, 0, 0], pbc=[1, 0, 0])


def found(atoms: Atoms, cutoff: float, backend: HostBackend | None = None) -> np.ndarray:
    """All pairs of the device as rows i, j, S, in the order of the rows."""
    system = arrays_of(atoms)
    neighbors = NeighborList(backend or HostBackend(), cutoff, 0.0)
    neighbors.update(system.positions, system)
    return rows(*neighbors.pairs())


def rows(i: np.ndarray, j: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    pairs = np.column_stack([i, j, shifts]).astype(np.int64)
    return pairs[np.lexsort(pairs.T[::-1])]


def expected(atoms: Atoms, cutoff: float) -> np.ndarray:
    return rows(*neighbor_list("ijS", atoms, cutoff))


def random_atoms(n: int, pbc: tuple[bool, ...], seed: int, size: float = 6.0) -> Atoms:
    """Put atoms into, and a little outside of, a triclinic cell."""
    rng = np.random.default_rng(seed)
    cell = size * (np.eye(3) + rng.uniform(-0.4, 0.4, (3, 3)))
    positions = rng.uniform(-0.5, 1.5, (n, 3)) @ cell
    return Atoms("Cu" * n, positions=positions, cell=cell, pbc=pbc)


@pytest.mark.parametrize("pbc", [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)])
@pytest.mark.parametrize("cutoff", [2.0, 7.5])
def test_any_mix_of_periodic_directions(pbc, cutoff):
    atoms = random_atoms(60, pbc, 3)
    pairs = expected(atoms, cutoff)
    assert len(pairs)
    np.testing.assert_array_equal(found(atoms, cutoff), pairs)


@given(st.integers(1, 40), st.tuples(*3 * [st.booleans()]), st.integers(0, 999), st.data())
@settings(max_examples=60)
def test_random_cells(n, pbc, seed, data):
    size = data.draw(st.floats(2.0, 20.0))
    cutoff = data.draw(st.floats(0.3, 1.2)) * size
    atoms = random_atoms(n, pbc, seed, size)
    np.testing.assert_array_equal(found(atoms, cutoff), expected(atoms, cutoff))


@pytest.mark.parametrize(
    ("atoms", "cutoff"),
    [
        (bulk("Cu"), 12.0),  # one atom, hundreds of images
        (Atoms("He"), 3.0),
        (Atoms("He", cell=[[3, 0, 0], [90, 3, 0], [0, 0, 3]], pbc=True), 5.0),  # very skewed
        (molecule("CH3CH2OH"), 4.0),
        (bulk("Cu", cubic=True) * (5, 6, 7), 5.6),
        (Atoms("He2", positions=[[0, 0, 0], [5e5, 0, 0]]), 3.0),  # far apart: few bins
        (
            Atoms(
                "H40",
                positions=np.outer(np.arange(40), [0.9, 0, 0]),
                cell=[36, 0, 0],
                pbc=[1, 0, 0],
            ),
            3.0,
        ),
    ],
    ids=["primitive", "one atom", "skewed", "molecule", "crystal", "far apart", "chain"],
)
def test_special_cells(atoms, cutoff):
    np.testing.assert_array_equal(found(atoms, cutoff), expected(atoms, cutoff))


def test_the_order_of_the_threads_does_not_matter():
    atoms = random_atoms(300, (True, False, True), 5, 12.0)
    system = arrays_of(atoms)
    lists = []
    for backwards in (False, True):
        neighbors = NeighborList(HostBackend(backwards), 4.0, 0.5)
        neighbors.update(system.positions, system)
        lists.append((neighbors.words, neighbors.counts, neighbors.order, neighbors.sorted))
    for forth, back in zip(*lists, strict=True):
        assert forth.tobytes() == back.tobytes()


def test_a_list_lasts_until_an_atom_has_moved_half_the_skin():
    backend = HostBackend()
    atoms = random_atoms(50, (True, True, False), 7)
    neighbors = NeighborList(backend, 3.0, 0.5)

    def update() -> bool:
        system = arrays_of(atoms)
        return neighbors.update(system.positions, system)

    assert update()
    assert not update()
    atoms.positions[13] += [0.0, 0.24, 0.0]
    assert not update()
    inside = neighbors.sorted[np.flatnonzero(neighbors.order == 13)[0], :3]
    fractional = np.linalg.solve(atoms.cell.array.T, atoms.positions[13] - inside)
    np.testing.assert_allclose(fractional, fractional.round(), atol=1e-12)
    atoms.positions[13] += [0.0, 0.02, 0.0]
    assert update()
    atoms.cell[0] *= 1.001
    assert update()
    assert backend.launches.count("search") == 4  # the first list is counted before it is filled


def test_a_list_that_has_become_too_short_is_searched_again():
    atoms = random_atoms(30, (True, True, True), 2, 14.0)
    neighbors = NeighborList(HostBackend(), 3.0, 0.0)
    for scale in (1.0, 0.7, 0.4):
        closer = atoms.copy()
        closer.set_cell(scale * atoms.cell.array, scale_atoms=True)
        system = arrays_of(closer)
        neighbors.update(system.positions, system)
        np.testing.assert_array_equal(rows(*neighbors.pairs()), expected(closer, 3.0))


def test_memory_is_asked_for_before_it_is_taken():
    atoms = bulk("Cu", cubic=True) * 5
    with pytest.raises(DeviceError, match=r"needs 120000 bytes .* 1000 bytes .* are available"):
        found(atoms, 5.0, HostBackend(memory=1000))
    with pytest.raises(DeviceError, match="a list of 500 atoms needs"):
        found(atoms, 7.0, HostBackend(memory=125_000))


def test_what_the_engine_refuses_is_refused_in_its_words():
    atoms = random_atoms(3, (False, False, False), 1)
    atoms.positions[1, 2] = np.nan
    with pytest.raises(InvalidInputError, match=r"positions\[1, 2\]: must be finite"):
        found(atoms, 3.0)
    with pytest.raises(InvalidInputError, match="cutoff: must be positive"):
        found(bulk("Cu"), -1.0)
    with pytest.raises(InvalidInputError, match="cell"):
        found(Atoms("Cu", cell=np.zeros((3, 3)), pbc=True), 3.0)
