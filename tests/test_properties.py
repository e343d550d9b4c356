"""Properties of crystals: published numbers of Finnis–Sinclair potentials, and closed forms.

Finnis and Sinclair fitted their potentials exactly to the lattice constant, the cohesive energy and
the elastic constants in `PUBLISHED`; so the potentials must give these numbers back.
"""

import json

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from ecteam.cli import app
from ecteam.properties import (
    J_PER_M2,
    bulk_modulus,
    crystal_properties,
    elastic_constants,
    reference_crystal,
    relaxed_crystal,
    surface_energy,
    vacancy_energy,
    zone_boundary_phonons,
)
from finnis_sinclair import MO, NB
from typer.testing import CliRunner

# Å, eV, GPa: Philos. Mag. A 50, 45 (1984).
PUBLISHED = {
    "Nb": (3.3008, 7.57, 246.6, 133.2, 28.1),
    "Mo": (3.1472, 6.82, 464.7, 161.5, 108.9),
}
UNRELAXED = 1e3  # eV/Å, a largest force that lets everything stay where it is


@pytest.fixture(scope="module")
def potentials(tmp_path_factory):
    folder = tmp_path_factory.mktemp("setfl")
    found = {}
    for model in (NB, MO):
        model.write_setfl(folder / f"{model.symbol}.eam.fs")
        found[model.symbol] = ecteam.read_setfl(folder / f"{model.symbol}.eam.fs")
    return found


@pytest.fixture(params=["Nb", "Mo"])
def crystal(request, potentials):
    return made(potentials, request.param)


def made(potentials, symbol):
    def calculator():
        return ecteam.ECTEAM(potentials[symbol])

    return relaxed_crystal(reference_crystal(symbol), calculator), calculator


def test_published_values(crystal):
    atoms, calculator = crystal
    a, cohesive, *constants = PUBLISHED[atoms.symbols[0]]
    assert atoms.cell.lengths() == pytest.approx(a, abs=1e-4)
    assert -atoms.get_potential_energy() / 2 == pytest.approx(cohesive, abs=1e-4)
    # The core of Nb begins 0.0001 Å below its neighbours, within one step of the tables.
    assert elastic_constants(atoms, calculator) == pytest.approx(constants, abs=0.4)


def test_bulk_modulus_belongs_to_the_elastic_constants(crystal):
    c11, c12, _ = elastic_constants(*crystal)
    assert bulk_modulus(*crystal) == pytest.approx((c11 + 2 * c12) / 3, rel=1e-4)


def test_unrelaxed_vacancy_and_surface_are_sums_over_lost_neighbours(potentials):
    """Mo has eight neighbours and six second ones within its cutoff."""
    atoms, calculator = made(potentials, "Mo")
    a = atoms.cell.lengths()[0]
    r = np.array([np.sqrt(3) / 2, 1.0]) * a
    pair, density = MO.pair(r), MO.density(r)

    def atom(neighbours):
        return 0.5 * neighbours @ pair - MO.A * np.sqrt(neighbours @ density)

    whole = np.array([8, 6])
    vacancy = sum(
        count * (atom(whole - lost) - atom(whole))
        for count, lost in ((8, np.array([1, 0])), (6, np.array([0, 1])))
    )
    assert vacancy_energy(atoms, calculator, 8.0, UNRELAXED) == pytest.approx(vacancy, abs=1e-5)
    layers = (np.array([4, 1]), np.array([0, 1]))
    expected = sum(atom(whole - lost) - atom(whole) for lost in layers) / a**2 * J_PER_M2
    found = surface_energy(atoms, calculator, (1, 0, 0), 9.0, UNRELAXED)
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_joule_per_square_metre():
    """1 eV/Å² is 16.02 J/m²."""
    assert J_PER_M2 == pytest.approx(16.02176634, rel=1e-7)


def test_relaxation_lowers_and_size_converges(potentials):
    mo = made(potentials, "Mo")
    frozen = vacancy_energy(*mo, 9.0, UNRELAXED)
    small, large = (vacancy_energy(*mo, length) for length in (9.0, 15.0))
    assert large < frozen - 0.01
    assert small == pytest.approx(large, abs=0.01)
    for indices in ((1, 1, 0), (1, 0, 0), (1, 1, 1)):
        frozen = surface_energy(*mo, indices, 10.0, UNRELAXED)
        thin, thick = (surface_energy(*mo, indices, length) for length in (10.0, 20.0))
        assert thick < frozen
        assert thin == pytest.approx(thick, rel=1e-3)


def test_phonon_is_the_curvature_of_the_energy(potentials):
    """At H of bcc the two atoms of the cell move against each other: E = ½ (m/2) ω² u²."""
    atoms, calculator = made(potentials, "Mo")
    moved = atoms.copy()
    moved.calc = calculator()
    energies = []
    for u in (-0.01, 0.0, 0.01):
        moved.positions[1, 2] = atoms.positions[1, 2] + u
        energies.append(moved.get_potential_energy())
    curvature = (energies[0] - 2 * energies[1] + energies[2]) / 0.01**2
    # eV/Å²/u to rad²/ps²
    omega = np.sqrt(curvature / (atoms.get_masses()[0] / 2) * 9648.533212)
    frequencies = zone_boundary_phonons(atoms, calculator)
    assert frequencies == pytest.approx(omega / (2 * np.pi), rel=1e-3)


def test_any_calculator_and_an_fcc_crystal():
    found = crystal_properties(reference_crystal("Cu"), EMT, [(1, 1, 1), (1, 0, 0)], 6.0)
    assert found.bulk_modulus == pytest.approx((found.c11 + 2 * found.c12) / 3, rel=1e-3)
    assert found.surface_energies["111"] < found.surface_energies["100"]
    assert 0 < found.vacancy_energy < 2
    # At X: two transverse branches below the longitudinal one, on three arms.
    transverse, longitudinal = np.split(np.array(found.phonons), [6])
    assert transverse == pytest.approx(transverse[0], rel=1e-3)
    assert longitudinal == pytest.approx(longitudinal[0], rel=1e-3)
    assert longitudinal[0] > 1.1 * transverse[0] > 0


def test_a_compound_has_neither_vacancy_nor_surfaces():
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    found = crystal_properties(salt, lambda: ecteam.ECTEAM("halides"))
    assert found.vacancy_energy is None
    assert found.surface_energies == {}
    assert found.c11 > found.c44 > 0
    assert len(found.phonons) == 21


def far_too_large(symbol):
    return bulk(symbol, "bcc", a=5.0, cubic=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: reference_crystal("Ti"), "structure: 'Ti' is not an element with a cubic"),
        (lambda: reference_crystal("Xx"), "structure: 'Xx' is not an element with a cubic"),
        (lambda: bulk("Nb"), "crystal: must be a periodic conventional cell"),
        (lambda: Atoms("Nb"), "crystal: must be a periodic conventional cell"),
        (lambda: far_too_large("Nb"), "crystal: the pressure has no zero within 15 %"),
    ],
)
def test_bad_crystals(make, message, potentials):
    with pytest.raises(ecteam.InvalidInputError, match=message.replace("'", ".")):
        crystal_properties(make(), lambda: ecteam.ECTEAM(potentials["Nb"]))


def test_compounds_are_refused():
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    with pytest.raises(ecteam.InvalidInputError, match="must be an element, got Cl4Na4"):
        vacancy_energy(salt, EMT)
    with pytest.raises(ecteam.InvalidInputError, match="must be an element, got Cl4Na4"):
        surface_energy(salt, EMT, (1, 0, 0))
    with pytest.raises(ecteam.InvalidInputError, match="an index that is not zero"):
        surface_energy(reference_crystal("Cu"), EMT, (0, 0, 0))


def test_command_line(potentials, tmp_path):
    path = tmp_path / "mo.json"
    potentials["Mo"].save(path)
    write(tmp_path / "POSCAR", reference_crystal("Mo"), format="vasp")
    outputs = {}
    for structure in ("Mo", str(tmp_path / "POSCAR")):
        options = [structure, "-p", str(path), "--length", "8", "--json"]
        outcome = CliRunner().invoke(app, ["properties", *options])
        assert outcome.exit_code == 0, outcome.output
        outputs[structure] = json.loads(outcome.stdout)
    found, of_file = outputs.values()
    assert found["c11"] == pytest.approx(464.7, abs=0.4)
    assert list(found["surface_energies"]) == ["110", "100", "111"]
    assert of_file["lattice_constant"] == pytest.approx(found["lattice_constant"], abs=1e-6)
    table = CliRunner().invoke(app, ["properties", "Mo", "-p", str(path), "--length", "8"])
    for text in ("lattice constant", "3.1472 Å", "surface (110)", "THz"):
        assert text in table.output


def test_command_line_errors(tmp_path):
    for structure in ("Ti", str(tmp_path / "missing")):
        outcome = CliRunner().invoke(app, ["properties", structure, "-p", "halides"])
        assert outcome.exit_code == 2
        assert outcome.stderr.count("\n") == 1
