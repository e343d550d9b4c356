"""Batches of reference calculations: numbers, the SCF ladder, kill and resume."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ase.io
import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ecteam import InvalidInputError
from ecteam.cli import app
from ecteam.reference.level import GROUND_SPIN, Level, structure_of
from typer.testing import CliRunner


@pytest.fixture
def pyscf_files() -> Iterator[None]:
    """Collect PySCF's unclosed scratch files quietly, after skipping if PySCF is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pyscf")
        yield
        gc.collect()


def reference(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that needs PySCF."""
    return pytest.mark.reference(pytest.mark.usefixtures("pyscf_files")(test))


def test_electronic_states_of_structures() -> None:
    assert structure_of(Atoms("O")).spin == 2
    assert structure_of(Atoms("O", info={"charge": -1})).spin == 1
    assert structure_of(Atoms("H", info={"charge": 1})).spin == 0
    assert structure_of(molecule("OH")).spin == 1
    assert structure_of(molecule("H2O"), charge=1).spin == 1
    assert structure_of(molecule("O2"), spin=2).spin == 2
    assert (GROUND_SPIN["N"], GROUND_SPIN["Fe"]) == (3, 4)
    cases = [
        (Atoms("O", pbc=True, cell=[5] * 3), {}, "molecule"),
        (Atoms(), {}, "molecule"),
        (molecule("H2O"), {"spin": 1}, "spin: 2S must be 0, 2"),
        (molecule("H2O"), {"charge": 11}, "charge"),
        (molecule("H2O"), {"charge": 0.5}, "charge: must be a whole number"),
        (Atoms("H", [[np.nan, 0, 0]]), {}, "positions"),
    ]
    for atoms, state, expected in cases:
        with pytest.raises(InvalidInputError, match=expected):
            structure_of(atoms, **state)


def test_levels_are_parsed() -> None:
    level = Level.parse("ccsd(t)/cc-pVTZ")
    assert (level.functional, level.basis, level.density_fit) == ("CCSD(T)", "cc-pVTZ", False)
    assert Level.parse("PBE0/def2-SVP", grid=2) == Level("def2-SVP", grid=2)
    for bad in ("PBE0", "/def2-SVP", "PBE0/"):
        with pytest.raises(InvalidInputError, match="functional/basis"):
            Level.parse(bad)
    with pytest.raises(InvalidInputError, match="grid"):
        Level.parse("PBE0/def2-SVP", grid=11)


def stretched_water(shift: float = 0.0) -> Atoms:
    atoms = molecule("H2O")
    atoms.positions += [0.3, -0.2, 0.5]
    atoms.positions[1, 1] += shift
    return atoms


@reference
def test_multipoles_against_finite_fields_and_pyscf() -> None:
    from ecteam.reference.molecules import single_point
    from pyscf import gto, scf

    atoms = stretched_water(0.1)
    result = single_point(structure_of(atoms), Level.parse("HF/def2-SVP", density_fit=False))
    geometry = list(zip(atoms.symbols, atoms.positions, strict=True))
    field = scf.RHF(gto.M(atom=geometry, basis="def2-SVP", verbose=0))
    field.conv_tol = 1e-10
    field.run()
    bohr = 0.529177210544
    assert result["energy"] == pytest.approx(field.e_tot * 27.211386246, abs=1e-6)
    dipole = field.dip_moment(unit="AU", verbose=0) * bohr
    np.testing.assert_allclose(result["dipole"], dipole, atol=1e-5)
    quadrupole = np.array(result["quadrupole"])
    assert abs(np.trace(quadrupole)) < 1e-9
    # −dE/dG of an external potential G (z² − x²)/2, twice.
    centre = field.mol.atom_charges() @ field.mol.atom_coords() / 10.0
    with field.mol.with_common_origin(centre):
        second = field.mol.intor("int1e_rr").reshape(3, 3, *field.get_hcore().shape)
    core = field.get_hcore()
    nuclei = (field.mol.atom_coords() - centre) ** 2
    energies = []
    for strength in (1e-4, -1e-4):
        field.get_hcore = lambda *_, s=strength: core - s * (second[2, 2] - second[0, 0]) / 2
        field.kernel()
        charges = field.mol.atom_charges()
        energies.append(field.e_tot + strength * charges @ (nuclei[:, 2] - nuclei[:, 0]) / 2)
    # ∂E/∂G = ½(M_zz − M_xx) with M the second moments; Θ_zz − Θ_xx = 3/2 (M_zz − M_xx).
    slope = (energies[0] - energies[1]) / 2e-4
    expected = 3.0 * slope * bohr**2
    assert quadrupole[2, 2] - quadrupole[0, 0] == pytest.approx(expected, abs=1e-4)


@reference
def test_spins_of_a_radical() -> None:
    from ecteam.reference.molecules import single_point

    result = single_point(structure_of(molecule("OH")), Level("def2-SVP", grid=1))
    assert sum(result["hirshfeld_spin"]) == pytest.approx(1.0, abs=1e-3)
    assert result["hirshfeld_spin"][0] > 0.8
    assert result["spin_square"] == pytest.approx(0.75, abs=0.02)


@reference
def test_coupled_cluster() -> None:
    from ecteam.reference.molecules import single_point
    from pyscf import cc, gto, scf

    atoms = molecule("OH")
    result = single_point(structure_of(atoms), Level.parse("CCSD(T)/6-31G"))
    geometry = list(zip(atoms.symbols, atoms.positions, strict=True))
    field = scf.UHF(gto.M(atom=geometry, basis="6-31G", spin=1, verbose=0)).run()
    cluster = cc.UCCSD(field, frozen=1).run()
    expected = (cluster.e_tot + cluster.ccsd_t()) * 27.211386246
    assert result["energy"] == pytest.approx(expected, abs=1e-4)
    assert result["forces"] is None
    assert sum(result["hirshfeld"]) == pytest.approx(0.0, abs=1e-3)


@reference
def test_ladder_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from ecteam.reference import scf
    from ecteam.reference.molecules import single_point

    usual = scf._mean_field
    broken: set[str] = set()

    def hampered(mol: Any, level: Level, unrestricted: bool, algorithm: str) -> Any:
        field = usual(mol, level, unrestricted, algorithm)
        if algorithm in broken:
            field.max_cycle = 1
        return field

    monkeypatch.setattr(scf, "_mean_field", hampered)
    structure, level = structure_of(molecule("H2O")), Level("def2-SVP", grid=1)
    energies = []
    for algorithm in scf.LADDER:
        result = single_point(structure, level)
        assert (result["scf"], result["converged"]) == (algorithm, True)
        energies.append(result["energy"])
        broken.add(algorithm)
    np.testing.assert_allclose(energies, energies[0], atol=1e-5)
    last = single_point(structure, level)
    assert (last["scf"], last["converged"], last["forces"]) == ("unconverged", False, None)


@reference
def test_frames_have_units_and_provenance(tmp_path: Path) -> None:
    from ecteam.reference.batch import compute
    from ecteam.reference.frames import UNITS, write_set
    from ecteam.reference.molecules import DensityOutput

    level = Level("def2-SVP", grid=1)
    wanted = DensityOutput(cube="", spacing=0.3, metric="coulomb")
    arguments = {"relative": True, "density": wanted, "progress": False}
    structures = [molecule("H2O"), molecule("OH")]
    found = compute(structures, level, tmp_path / "runs", **arguments)
    assert (found.failed, found.unconverged, found.new) == ({}, [], 4)
    write_set(found.frames, tmp_path / "out.extxyz")
    water, hydroxyl = ase.io.read(tmp_path / "out.extxyz", index=":")
    assert -11.0 < water.get_potential_energy() < -8.0
    assert np.abs(water.get_forces().sum(axis=0)).max() < 0.02
    np.testing.assert_allclose(water.arrays["weights"].sum(axis=1), 1.0, atol=1e-7)
    info = water.info
    assert info["units"] == UNITS
    assert info["program"].startswith("PySCF ")
    assert (info["level"], info["energy_zero"]) == ("PBE0/def2-SVP", "neutral-atoms")
    assert info["states"] == (
        "H: ground cation anion excited; O: ground cation anion excited dianion"
    )
    assert info["quadrupole"][:3].sum() == pytest.approx(0.0, abs=1e-6)
    assert (hydroxyl.info["spin"], hydroxyl.info["solution"]) == (1, "open-shell")
    cube = ecteam.encode(tmp_path / "runs" / info["cube"], molecule("H2O"))
    np.testing.assert_allclose(cube.weights, water.arrays["weights"], atol=0.02)
    again = compute(structures, level, tmp_path / "runs", **arguments)
    assert again.new == 0
    other = compute(structures[:1], Level("def2-SVP", grid=2), tmp_path / "runs", progress=False)
    assert other.new == 1


@reference
def test_failures_and_unconverged_numbers_are_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecteam.reference import batch
    from ecteam.reference.molecules import single_point

    def moody(structure: Any, level: Level, density: Any) -> dict[str, Any]:
        if len(structure.symbols) == 2:
            raise RuntimeError("every SCF\nbroke down")
        result = single_point(structure, level, density)
        return {**result, "converged": False, "forces": None}

    monkeypatch.setattr(batch, "single_point", moody)
    ase.io.write(tmp_path / "in.extxyz", [molecule("H2O"), molecule("OH")])
    command = ["reference", "compute", str(tmp_path / "in.extxyz"), "--level", "HF/STO-3G"]
    outcome = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "out.extxyz")])
    assert outcome.exit_code == 1
    assert "1 failed, 1 not converged" in outcome.output
    first, second = ase.io.read(tmp_path / "out.extxyz", index=":")
    assert not first.info["converged"]
    assert first.get_potential_energy() < -1900.0
    assert second.info["failure"] == "RuntimeError: every SCF broke down"
    assert not second.info["converged"]
    assert second.calc is None


@reference
def test_bad_input_stops_before_anything_runs(tmp_path: Path) -> None:
    from ecteam.reference.batch import compute

    water = molecule("H2O")
    cases = [
        ([water], Level("def2-SVP", "PBX"), "no functional 'PBX'"),
        ([water], Level("def3-SVP"), "no basis set 'def3-SVP' for H"),
        ([water, Atoms("O", info={"spin": 1})], Level("def2-SVP"), r"structures\[1\]: spin"),
        ([Atoms("O", info={"name": "a"})] * 2, Level("def2-SVP"), "the name 'a' must be"),
    ]
    for structures, level, expected in cases:
        with pytest.raises(InvalidInputError, match=expected):
            compute(structures, level, tmp_path / "runs", progress=False)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@reference
def test_killed_run_resumes(tmp_path: Path) -> None:
    shifts = np.linspace(0.0, 0.2, 6)
    ase.io.write(tmp_path / "in.extxyz", [stretched_water(shift) for shift in shifts])
    output, runs = tmp_path / "out.extxyz", tmp_path / "out.extxyz.runs"
    command = [sys.executable, "-m", "ecteam", "reference", "compute"]
    command += [str(tmp_path / "in.extxyz"), "-o", str(output), "--workers", "2"]
    command += ["--level", "PBE0/def2-SVP"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not list(runs.glob("*.json")):
        assert killed.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = children_of(killed.pid)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    before = {path: path.read_bytes() for path in runs.glob("*.json")}
    assert 0 < len(before) < 6
    assert all(json.loads(content)["result"]["converged"] for content in before.values())
    assert not output.exists()
    wait_for_the_end(workers)
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert f"6 structures, {6 - len(before)} calculations now, 0 failed" in done.stdout
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(ase.io.read(output, index=":")) == 6


def children_of(parent: int) -> list[int]:
    """Process ids of the children, on Linux; elsewhere none are found."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(status.parent.name))
    return found


def wait_for_the_end(processes: list[int]) -> None:
    """Workers follow a killed parent by themselves."""
    deadline = time.monotonic() + 20
    while any(is_running(process) for process in processes):
        assert time.monotonic() < deadline, "workers survive their parent"
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
