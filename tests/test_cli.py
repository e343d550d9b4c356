"""The command line: output, files, exit codes."""

import json
import subprocess
import sys

import ecteam
import pytest
from ase.build import bulk, fcc100, molecule
from ase.io import read, write
from ecteam.cli import app
from typer.testing import CliRunner


def ecteam_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def water(tmp_path):
    path = tmp_path / "water.xyz"
    stretched = molecule("H2O")
    stretched.positions[1] *= 1.1
    write(path, [molecule("H2O"), stretched])
    return path


def data_of(outcome):
    assert outcome.exit_code == 0, outcome.output
    return json.loads(outcome.stdout)


def test_run_uses_the_last_frame(water):
    found = data_of(ecteam_command("run", water, "--json"))
    expected = ecteam.evaluate(read(water, index=-1), "water")
    assert found["energy"] == pytest.approx(expected.energy, abs=1e-8)
    assert found["symbols"] == ["O", "H", "H"]
    assert list(found["weights"][1]) == ["ground", "cation"]
    assert found["sha256"] == ecteam.load("water").sha256


def test_run_prints_tables(water):
    outcome = ecteam_command("run", water)
    assert outcome.exit_code == 0
    for text in ("free energy", "total charge", "O0", "H2", "ground"):
        assert text in outcome.output


def test_tables_show_every_digit(tmp_path):
    path = tmp_path / "salt.xyz"
    write(path, bulk("NaCl", "rocksalt", a=5.6))
    outcome = ecteam_command("run", path, "-p", "halides")
    assert outcome.exit_code == 0
    assert "…" not in outcome.output
    assert "│ ground=0.1" in outcome.output
    assert all(line.endswith("│") for line in outcome.output.splitlines() if "=0." in line)
    assert "-0.0000" not in outcome.output


def test_charge(water):
    found = data_of(ecteam_command("run", water, "--charge", "1", "--json"))
    assert sum(found["charges"]) == pytest.approx(1.0)


def test_a_slab_needs_another_electrostatics(tmp_path):
    slab = fcc100("Al", (2, 2, 2), a=5.1, vacuum=5.0)
    slab.numbers[::2], slab.numbers[1::2] = 3, 9
    slab.info.clear()
    path = tmp_path / "slab.extxyz"
    write(path, slab)
    outcome = ecteam_command("run", path, "-p", "halides")
    assert outcome.exit_code == 2
    assert "shifted_force" in outcome.stderr
    found = data_of(
        ecteam_command("run", path, "-p", "halides", "--electrostatics", "shifted_force", "--json")
    )
    assert sum(found["charges"]) == pytest.approx(0.0, abs=1e-10)


def test_relax(water, tmp_path):
    output = tmp_path / "relaxed.xyz"
    outcome = ecteam_command("run", water, "--relax", "--fmax", "0.02", "-o", output, "--json")
    found = data_of(outcome)
    frames = read(output, index=":")
    assert len(frames) > 1
    assert abs(frames[1].positions - frames[0].positions).max() > 1e-3
    assert frames[-1].get_potential_energy() == pytest.approx(found["energy"], abs=1e-6)
    assert frames[-1].get_potential_energy() < frames[0].get_potential_energy()
    assert max(sum(x * x for x in f) ** 0.5 for f in found["forces"]) <= 0.02
    assert frames[-1].get_charges().tolist() == pytest.approx(found["charges"], abs=1e-6)


def test_frames_keep_the_charge(water, tmp_path):
    output = tmp_path / "ion.extxyz"
    first = data_of(ecteam_command("run", water, "--charge", "1", "-o", output, "--json"))
    again = data_of(ecteam_command("run", output, "--json"))
    assert again["free_energy"] == pytest.approx(first["free_energy"], abs=1e-6)


def test_no_atoms_are_relaxed_at_once(tmp_path):
    path = tmp_path / "none.xyz"
    path.write_text("0\n\n")
    assert data_of(ecteam_command("run", path, "--relax", "--json"))["energy"] == 0.0


def test_dynamics_is_repeatable(water, tmp_path):
    outputs = [tmp_path / "a.xyz", tmp_path / "b.xyz"]
    for output in outputs:
        options = ["--md", "--steps", "20", "--interval", "5", "--temperature", "100"]
        assert ecteam_command("run", water, *options, "-o", output).exit_code == 0
    assert len(read(outputs[0], index=":")) == 5
    assert read(outputs[0]).get_momenta().sum(axis=0) == pytest.approx(0.0, abs=1e-7)
    assert outputs[0].read_text() == outputs[1].read_text()


def test_dynamics_says_how_well_energy_was_kept(water):
    options = ["--md", "--steps", "40", "--timestep", "0.25"]
    found = data_of(ecteam_command("run", water, *options, "--json"))["dynamics"]
    assert (found["duration_fs"], found["timestep_fs"]) == (10.0, 0.25)
    assert 20.0 < found["mean_temperature"] < 600.0
    assert 0.0 < found["fluctuation_per_atom"] < 1e-3
    assert abs(found["drift_per_atom"]) < 1e-3
    shown = ecteam_command("run", water, *options).output
    assert f"{found['drift_per_atom']:.1e} eV/atom over the run" in " ".join(shown.split())


@pytest.mark.parametrize("name", ["water", "halides"])
def test_show(name):
    outcome = ecteam_command("show", name)
    assert outcome.exit_code == 0
    for text in (name, "ground", "resonance", "held-out", ecteam.load(name).sha256[:40]):
        assert text in outcome.output
    assert ecteam.Potential.from_json(ecteam_command("show", name, "--json").stdout).name == name


def test_version():
    assert ecteam_command("--version").stdout == f"ecteam {ecteam.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["show", "watr"], "potential: must be a shipped name"),
        (["run", "missing.xyz"], "missing.xyz: no such file"),
        (["run", "WATER", "--potential", "nope"], "potential: must be a shipped name"),
        (["run", "WATER", "--potential", "halides"], "numbers"),
        (["run", "WATER", "--charge", "nan"], "total_charge: must be a finite number"),
        (["run", "WATER", "--steps", "9"], "--steps: goes with --md, which was not given"),
        (["run", "WATER", "--fmax", "0.1"], "--fmax: goes with --relax, which was not given"),
        (["run", "EMPTY"], "cannot be read as a structure"),
        (["run", "NOISE"], "cannot be read as a structure"),
        (["run", "WATER", "-o", "/nowhere/x.xyz"], "/nowhere"),
        (["run", "WATER", "-o", "FOLDER"], "output: must be a file"),
        (["run", "WATER", "-o", "x.pdb"], "output: must end in .extxyz or .xyz, got x.pdb"),
        (["run", "ALIEN"], "cannot be read as a structure: KeyError 'Qq'"),
        (["states", "plot", "O", "-o", "x.foo"], "output: must end in .png or .pdf or .svg"),
        (["states", "plot", "O", "-o", "/nowhere/x.png"], "/nowhere"),
        (["bench", "--structure", "NONE"], "atoms: must be at least 1, got 0"),
        (["properties", "Xx", "-p", "niobium"], "structure: 'Xx' is neither an element nor a file"),
        (["fisher", "water", "water", "--level", "2"], "level: must be between 0 and 1, got 2.0"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, problem, water, tmp_path):
    (tmp_path / "empty.xyz").write_text("")
    (tmp_path / "none.xyz").write_text("0\n\n")
    (tmp_path / "alien.xyz").write_text("1\n\nQq 0 0 0\n")
    (tmp_path / "noise.xyz").write_bytes(bytes(range(256)))
    files = {
        "WATER": water,
        "EMPTY": tmp_path / "empty.xyz",
        "NOISE": tmp_path / "noise.xyz",
        "NONE": tmp_path / "none.xyz",
        "ALIEN": tmp_path / "alien.xyz",
        "FOLDER": tmp_path,
    }
    outcome = ecteam_command(*[files.get(argument, argument) for argument in arguments])
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert problem in outcome.stderr
    assert outcome.stderr.startswith("error: ")
    assert outcome.stderr.count("\n") == 1


def test_not_converged_is_code_3(water, monkeypatch):
    def stop(*_):
        raise ecteam.NotConvergedError("weights did not converge")

    monkeypatch.setattr("ecteam.calculator.run", stop)
    outcome = ecteam_command("run", water)
    assert outcome.exit_code == 3
    assert outcome.stderr == "error: weights did not converge\n"


def test_a_failed_run_keeps_its_frames(water, tmp_path, monkeypatch):
    def fail(*_):
        yield 1
        raise ecteam.NotConvergedError("weights did not converge")

    monkeypatch.setattr("ecteam.cli.molecular_dynamics", fail)
    output = tmp_path / "kept.xyz"
    outcome = ecteam_command("run", water, "--md", "--interval", "1", "-o", output)
    assert outcome.exit_code == 3
    assert len(read(output, index=":")) == 2


def test_module_runs():
    command = [sys.executable, "-m", "ecteam", "--version"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout.startswith("ecteam ")
