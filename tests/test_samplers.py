"""Samplers of training structures."""

from __future__ import annotations

from pathlib import Path

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.io import read, write
from ase.units import kB
from ecteam import InvalidInputError
from ecteam.cli import app
from ecteam.reference.samplers import (
    bond_scan,
    hessian_of,
    md_frames,
    normal_modes,
    rigid_dimers,
)
from typer.testing import CliRunner


class Spring(Calculator):
    """E = ½k(|r₁ − r₀| − 1)², the simplest molecule."""

    implemented_properties = ("energy", "forces")
    stiffness = 30.0

    def calculate(self, atoms=None, properties=None, system_changes=None):
        """Fill `results`."""
        super().calculate(atoms, properties, system_changes)
        bond = self.atoms.positions[1] - self.atoms.positions[0]
        length = np.linalg.norm(bond)
        pull = self.stiffness * (length - 1.0) * bond / length
        self.results = {
            "energy": 0.5 * self.stiffness * (length - 1.0) ** 2,
            "forces": np.array([pull, -pull]),
        }


def spring() -> Atoms:
    atoms = Atoms("OH", [[0, 0, 0], [0.6, 0.0, 0.8]], info={"charge": -1, "name": "x"})
    atoms.calc = Spring()
    return atoms


def test_normal_modes_have_the_thermal_spread_of_the_bond() -> None:
    atoms = spring()
    hessian = hessian_of(atoms)
    found = normal_modes(atoms, hessian, 600.0, 2000, seed=3)
    bonds = np.array([np.linalg.norm(a.positions[1] - a.positions[0]) for a in found])
    assert bonds.std() == pytest.approx(np.sqrt(kB * 600.0 / Spring.stiffness), rel=0.05)
    centres = np.array([a.get_center_of_mass() for a in found])
    np.testing.assert_allclose(centres, np.tile(centres[0], (2000, 1)), atol=1e-12)
    assert found[0].info == {"charge": -1, "group": "normal-modes"}
    again = normal_modes(atoms, hessian, 600.0, 1, seed=3)
    np.testing.assert_array_equal(again[0].positions, found[0].positions)
    assert len(normal_modes(molecule("H2O"), np.zeros((9, 9)), 0.0, 2)) == 2


def test_hessian_of_a_cluster_is_flat_along_translations_and_rotations() -> None:
    atoms = Atoms("Cu3", [[0, 0, 0], [2.3, 0, 0], [1.1, 2.0, 0]])
    atoms.calc = EMT()
    hessian = hessian_of(atoms)
    np.testing.assert_allclose(hessian, hessian.T)
    np.testing.assert_allclose(hessian @ np.tile([1.0, 0, 0], 3), 0.0, atol=1e-3)


def test_bond_scan_moves_one_side_rigidly() -> None:
    methanol = molecule("CH3OH")
    symbols = methanol.get_chemical_symbols()
    c, o = symbols.index("C"), symbols.index("O")
    distances = [1.2, 1.43, 5.0]
    found = bond_scan(methanol, c, o, distances)
    np.testing.assert_allclose([a.get_distance(c, o) for a in found], distances)
    for a in found:
        moved = np.linalg.norm(a.positions - methanol.positions, axis=1) > 1e-9
        assert moved.sum() == 2
    assert "spin_signs" not in found[1].arrays
    assert sorted(found[2].arrays["spin_signs"]) == [-1, -1, 1, 1, 1, 1]
    radical = Atoms("OH", [[0, 0, 0], [0, 0, 1]])
    assert "spin_signs" not in bond_scan(radical, 0, 1, [5.0])[0].arrays
    with pytest.raises(InvalidInputError, match="part of a ring"):
        bond_scan(molecule("C6H6"), 0, 1, [2.0])
    with pytest.raises(InvalidInputError, match="i, j: must be two atoms"):
        bond_scan(methanol, 0, 9, [2.0])
    with pytest.raises(InvalidInputError, match="distances"):
        bond_scan(methanol, c, o, [-1.0])


def test_rigid_dimers_keep_monomers_and_distances() -> None:
    water, hydroxide = molecule("H2O"), Atoms("OH", [[0, 0, 0], [0, 0, 0.97]])
    hydroxide.info["charge"] = -1
    distances = [1.0, 4.0, 7.0]
    found = rigid_dimers(water, hydroxide, distances, 50, seed=1)
    assert {round(d, 6) for d in map(separation, found)} == {4.0, 7.0}
    assert len([a for a in found if separation(a) > 5.0]) == 50
    for a in found:
        assert a.info["charge"] == -1
        np.testing.assert_allclose(a[:3].get_all_distances(), water.get_all_distances())
        np.testing.assert_allclose(a[3:].get_all_distances(), hydroxide.get_all_distances())
    curves = [a for a in found if a.info["curve"] == 7]
    directions = [a[3:].get_center_of_mass() - a[:3].get_center_of_mass() for a in curves]
    np.testing.assert_allclose(directions[0] / 4.0, directions[1] / 7.0)
    # Directions and orientations are spread over the sphere.
    axes = np.array([a.positions[4] - a.positions[3] for a in found if separation(a) > 5.0]) / 0.97
    assert np.abs(axes.mean(axis=0)).max() < 0.35
    with pytest.raises(InvalidInputError, match="too close"):
        rigid_dimers(water, water, [0.5], 3)


def separation(atoms: Atoms) -> float:
    return float(np.linalg.norm(atoms[3:].get_center_of_mass() - atoms[:3].get_center_of_mass()))


def test_md_frames_follow_the_score() -> None:
    atoms = spring()
    run = {"temperature": 800.0, "timestep": 0.3, "interval": 2, "seed": 2}
    even = md_frames(atoms, 200, 5, **run)
    assert [a.info["md_step"] for a in even] == [2, 52, 102, 150, 200]

    def energy(candidate: Atoms) -> float:
        return candidate.get_potential_energy()

    best = md_frames(atoms, 200, 5, **run, score=energy, separation=3)
    every = md_frames(atoms, 200, 100, **run, score=energy)
    scores = [a.info["score"] for a in every]
    assert max(scores) == max(a.info["score"] for a in best)
    steps = [a.info["md_step"] for a in best]
    assert len(best) == 5
    assert (np.diff(steps) >= 6).all()
    assert np.mean([a.info["score"] for a in best]) > np.mean(scores)
    np.testing.assert_array_equal(atoms.positions, spring().positions)
    with pytest.raises(InvalidInputError, match="calculator"):
        md_frames(molecule("H2O"), 10, 1)
    with pytest.raises(InvalidInputError, match="count"):
        md_frames(atoms, 10, 0)


def test_sampler_commands(tmp_path: Path) -> None:
    water = molecule("H2O")
    water.calc = ecteam.ECTEAM("water")
    write(tmp_path / "water.xyz", molecule("H2O"))

    def run(*arguments: object) -> list[Atoms]:
        output = tmp_path / "out.extxyz"
        command = ["reference", *map(str, arguments), "-o", str(output)]
        outcome = CliRunner().invoke(app, command)
        assert outcome.exit_code == 0, outcome.output
        return read(output, index=":")

    path = tmp_path / "water.xyz"
    assert len(run("modes", path, "--count", 3)) == 3
    scanned = run("scan", path, "--bond", 0, 1, "--count", 4)
    assert scanned[-1].get_distance(0, 1) == pytest.approx(6.0)
    assert "spin_signs" in scanned[-1].arrays
    assert len(run("dimers", path, path, "--count", 2, "--orientations", 2)) >= 2
    assert len(run("md", path, "--steps", 20, "--count", 2)) == 2
    bad = CliRunner().invoke(app, ["reference", "md", "none.xyz", "-o", str(path)])
    assert bad.exit_code == 2
