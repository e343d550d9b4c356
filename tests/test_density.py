"""Electron density at points, on a cube file, and in figures."""

import ecteam
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.io.cube import read_cube
from ase.units import Bohr


@pytest.fixture
def atoms():
    return molecule("H2O")


@pytest.fixture
def result(atoms):
    return ecteam.evaluate(atoms, "water-unpolarised")


def test_density_falls_off_and_is_positive(atoms, result):
    points = atoms.positions[0] + np.outer([0.1, 0.5, 1.0, 3.0], [0, 1.0, 0])
    density = ecteam.electron_density(atoms, result, points)
    assert density.shape == (4,)
    assert (density > 0).all()
    assert (np.diff(density) < 0).all()


@pytest.mark.parametrize("points", [[0.0, 0, 0], np.zeros((2, 2)), np.zeros((1, 1, 3))])
def test_bad_points(atoms, result, points):
    with pytest.raises(ecteam.InvalidInputError, match=r"^points: must have shape \(m, 3\)"):
        ecteam.electron_density(atoms, result, points)


def test_other_atoms(result):
    with pytest.raises(ecteam.InvalidInputError, match=r"^atoms: must be the atoms of the result"):
        ecteam.electron_density(molecule("OH"), result, np.zeros((1, 3)))


def test_cube_of_a_molecule(atoms, result, tmp_path):
    path = tmp_path / "water.cube"
    ecteam.write_cube(path, atoms, result, spacing=0.25, padding=3.0)
    with path.open() as file:
        cube = read_cube(file)
    np.testing.assert_allclose(cube["atoms"].positions, atoms.positions, atol=1e-5)
    steps = cube["atoms"].cell.lengths() / cube["data"].shape
    assert (steps <= 0.2501).all()
    point = cube["origin"][None, :3] + [[5, 6, 7] * steps]
    expected = ecteam.electron_density(atoms, result, point)[0] * Bohr**3
    assert cube["data"][5, 6, 7] == pytest.approx(expected, rel=1e-4)


def test_cube_of_a_crystal_is_on_its_cell(tmp_path):
    crystal = bulk("NaCl", "rocksalt", a=5.64)
    path = tmp_path / "salt.cube"
    ecteam.write_cube(path, crystal, ecteam.evaluate(crystal, "halides"), spacing=0.5)
    with path.open() as file:
        cube = read_cube(file)
    np.testing.assert_allclose(cube["atoms"].cell.array, crystal.cell.array, atol=1e-4)
    assert cube["data"].shape == (8, 8, 8)


@pytest.mark.parametrize("options", [{"spacing": 0.0}, {"padding": -1.0}, {"spacing": 1e-4}])
def test_bad_grid(atoms, result, tmp_path, options):
    with pytest.raises(ecteam.InvalidInputError, match=next(iter(options))):
        ecteam.write_cube(tmp_path / "x.cube", atoms, result, **options)
    assert not list(tmp_path.iterdir())


def test_figures(atoms, result):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from ecteam.plot import plot_density, plot_weights
    from matplotlib import pyplot

    bars = plot_weights(result)
    assert [label.get_text() for label in bars.get_xticklabels()] == ["O0", "H1", "H2"]
    line = plot_density(atoms, result, [0, 0, -2], [0, 0, 2]).get_lines()[0]
    assert line.get_xdata()[-1] == pytest.approx(4.0)
    pyplot.close("all")
