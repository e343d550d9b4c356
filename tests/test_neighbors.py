"""Neighbour list against ASE's."""

from concurrent.futures import ThreadPoolExecutor

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list as ase_neighbor_list
from ecteam import neighbors
from hypothesis import given, settings
from hypothesis import strategies as st


def system(n, cell, pbc, seed=0):
    rng = np.random.default_rng(seed)
    return Atoms(f"H{n}", scaled_positions=rng.uniform(-1, 2, (n, 3)), cell=cell, pbc=pbc)


SYSTEMS = {
    "molecule": molecule("CH3CH2OH"),
    "one atom": Atoms("H"),
    "primitive fcc": bulk("Cu"),
    "tiny cell": bulk("Cu").repeat((1, 1, 2)),
    "rocksalt": bulk("NaCl", "rocksalt", a=5.64, cubic=True),
    "chain": system(5, [3.0, 9.0, 9.0], [True, False, False]),
    "slab": system(20, [[4, 0, 0], [1, 5, 0], [0, 0, 20]], [True, True, False]),
    "triclinic": system(30, [[6, 0, 0], [4, 5, 0], [-3, 3, 4]], True),
    "wrapped twice": system(10, [4.0, 5.0, 6.0], [True, False, True], seed=3),
}


def as_sorted(i, j, shifts, vectors):
    order = np.lexsort((*shifts.T, j, i))
    return np.column_stack([i, j, shifts])[order], vectors[order]


def assert_same_pairs(atoms, cutoff):
    i, j, shifts, distances, vectors = ecteam.neighbor_list("ijSdD", atoms, cutoff)
    integers, found = as_sorted(i, j, shifts, vectors)
    expected_integers, expected = as_sorted(*ase_neighbor_list("ijSD", atoms, cutoff))
    np.testing.assert_array_equal(integers, expected_integers)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(distances, np.linalg.norm(vectors, axis=1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        vectors,
        atoms.positions[j] - atoms.positions[i] + shifts @ atoms.cell.array,
        rtol=0,
        atol=1e-10,
    )


@pytest.mark.parametrize("cutoff", [0.9, 2.6, 5.3, 9.1])
@pytest.mark.parametrize("name", SYSTEMS)
def test_same_pairs_as_ase(name, cutoff):
    assert_same_pairs(SYSTEMS[name], cutoff)


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
    shear=st.lists(st.floats(-4, 4), min_size=3, max_size=3),
    pbc=st.lists(st.booleans(), min_size=3, max_size=3),
    cutoff=st.floats(0.5, 7.0),
)
def test_same_pairs_as_ase_for_random_cells(n, seed, shear, pbc, cutoff):
    cell = [[5.0, 0, 0], [shear[0], 4.0, 0], [shear[1], shear[2], 6.0]]
    assert_same_pairs(system(n, cell, pbc, seed), cutoff)


def test_types_and_shapes():
    i, j, shifts, distances, vectors = ecteam.neighbor_list("ijSdD", bulk("Cu"), 3.0)
    assert [a.dtype for a in (i, j, shifts)] == [np.int32] * 3
    assert [a.dtype for a in (distances, vectors)] == [np.float64] * 2
    assert (i.shape, shifts.shape, vectors.shape) == ((12,), (12, 3), (12, 3))


def test_quantities_come_in_the_order_asked():
    atoms = bulk("Cu")
    distances, i = ecteam.neighbor_list("di", atoms, 3.0)
    np.testing.assert_array_equal(ecteam.neighbor_list("d", atoms, 3.0), distances)
    assert (np.diff(i) >= 0).all()


@pytest.mark.parametrize("quantities", ["", "x", "ijk"])
def test_unknown_quantities(quantities):
    with pytest.raises(ecteam.InvalidInputError, match=r"^quantities: "):
        ecteam.neighbor_list(quantities, bulk("Cu"), 3.0)


@pytest.mark.parametrize("cutoff", [0.0, -1.0, np.nan, np.inf])
def test_bad_cutoff(cutoff):
    with pytest.raises(ecteam.InvalidInputError, match="cutoff"):
        ecteam.neighbor_list("ij", bulk("Cu"), cutoff)


def test_bad_atoms():
    with pytest.raises(ecteam.InvalidInputError, match=r"atoms: must be an ase\.Atoms object"):
        ecteam.neighbor_list("ij", np.zeros((3, 3)), 3.0)
    with pytest.raises(ecteam.InvalidInputError, match=r"positions\[1"):
        ecteam.neighbor_list("ij", Atoms("H2", positions=[[0, 0, 0], [0, np.nan, 0]]), 3.0)


def test_some_columns_do_not_keep_the_memory_of_all():
    atoms = bulk("Cu", cubic=True).repeat(3)
    i, d = ecteam.neighbor_list("id", atoms, 4.0)
    everything = dict(zip("ijSdD", ecteam.neighbor_list("ijSdD", atoms, 4.0), strict=True))
    assert i.base is None
    assert d.base is None
    np.testing.assert_array_equal(i, everything["i"])
    np.testing.assert_array_equal(d, everything["d"])


def test_a_list_that_is_held_does_not_change():
    """Memory of lists is used again, but only when nobody holds any column of it."""
    copper = bulk("Cu", cubic=True).repeat(4)
    wide, narrow = (ecteam.neighbor_list("ijSdD", copper, cutoff) for cutoff in (5.5, 4.0))
    expected = [[column.copy() for column in found] for found in (wide, narrow)]
    distances = ecteam.neighbor_list("ijSdD", copper, 5.5)[3][::2]
    before = distances.copy()
    for cutoff in (3.0, 4.5, 5.5, 5.6):
        ecteam.neighbor_list("ijSdD", copper, cutoff)
    for found, columns in zip((wide, narrow), expected, strict=True):
        assert all((one == two).all() for one, two in zip(found, columns, strict=True))
    assert (distances == before).all()


def test_memory_of_lists_is_found_again():
    """Two blocks are enough for a loop that makes a list while it holds the one before."""
    copper = bulk("Cu", cubic=True).repeat(4)
    found = None
    blocks = set()
    for step in range(8):
        found = ecteam.neighbor_list("ijSdD", copper, 5.5)
        if step >= 3:
            blocks |= {id(block) for block, _ in neighbors._kept}
    assert len(blocks) == 2
    del found


def test_lists_of_several_threads():
    structures = [bulk("Cu", cubic=True).repeat(n) for n in (3, 4, 5)]
    expected = [len(ecteam.neighbor_list("i", atoms, 5.5)) for atoms in structures]

    def work(seed):
        for k in np.random.default_rng(seed).integers(len(structures), size=40):
            i, _, _, d, vectors = ecteam.neighbor_list("ijSdD", structures[k], 5.5)
            atoms = len(structures[k])
            assert len(i) == expected[k]
            assert np.array_equal(i, np.repeat(np.arange(atoms), len(i) // atoms))
            assert np.allclose(np.linalg.norm(vectors, axis=1), d, rtol=0, atol=1e-12)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(8)))
