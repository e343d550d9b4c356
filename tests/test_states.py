"""The shipped library of atomic states: its numbers, its file, its commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import ecteam
import numpy as np
import pytest
from ecteam import library
from ecteam.cli import app
from ecteam.fit.states import goals, misses
from ecteam.reference.configurations import ELEMENTS, element_states
from ecteam.states_report import energy_errors
from typer.testing import CliRunner

BOHR = 0.529177210903
SHIPPED = files("ecteam") / "data" / "library.json"
EVERY = [state for symbol in ELEMENTS for state in ecteam.states(symbol).states]


def command(*arguments: object, columns: int = 160):
    environment = {"COLUMNS": str(columns)}
    return CliRunner().invoke(app, ["states", *map(str, arguments)], env=environment)


def test_states_of_oxygen() -> None:
    oxygen = ecteam.states("O")
    assert list(oxygen) == ["ground", "cation", "anion", "excited", "dianion"]
    assert [state.charge for state in oxygen.states] == [0, 1, -1, 0, -2]
    assert [state.multiplicity for state in oxygen.states] == [3, 4, 2, 5, 1]
    assert oxygen["ground"].energy == 0.0
    assert oxygen["cation"].energy == pytest.approx(13.618, abs=1e-3)
    assert oxygen["anion"].energy == pytest.approx(-1.461, abs=1e-3)
    assert oxygen["anion"].bound
    assert not oxygen["dianion"].bound
    assert "Watson sphere" in oxygen["dianion"].provenance["computed"]


def test_library_is_complete() -> None:
    assert library.read_library().fields["failures"] == {}
    every = [state for symbol in ELEMENTS for state in element_states(symbol)]
    expected = [(s.symbol, s.name, s.charge) for s in every]
    assert [(s.symbol, s.name, s.charge) for s in EVERY] == expected
    for state in EVERY:
        assert state.provenance["computed"]
        assert state.provenance["energy"]
        assert state.provenance["density"]


@pytest.mark.parametrize("state", EVERY, ids=lambda s: f"{s.symbol}-{s.name}")
def test_densities_satisfy_their_constraints(state: ecteam.AtomicState) -> None:
    density, number = state.density, list(ELEMENTS).index(state.symbol) + 1
    assert density.electrons() == pytest.approx(number - state.charge, rel=1e-12)
    assert len(density.exponents) <= 12
    if not state.electrons:
        return
    assert abs(density.cusp_error(2.0 * number / BOHR)) < 1e-9  # another value of the bohr
    assert (np.diff(density.exponents) > 0.0).all()
    assert density.density(np.linspace(0.0, 15.88, 5001)).min() >= 0.0
    decay = 2.0 * np.sqrt(2.0 * state.ionisation_energy / 27.211386) / BOHR
    assert density.exponents[0] == pytest.approx(decay, rel=1e-2)


def test_misses_are_those_of_the_quality_reports() -> None:
    for state in EVERY:
        if not state.quality:
            continue
        number = list(ELEMENTS).index(state.symbol) + 1
        shells = next(s.shell_count for s in element_states(state.symbol) if s.name == state.name)
        allowed = goals(shells=shells, heavy=number > 18, anion=state.charge < 0)
        assert misses(state.quality, allowed) == list(state.misses)
        assert abs(state.quality["cusp_error"]) < 1e-12
        assert abs(state.quality["count_error"]) < 1e-12 * max(state.electrons, 1)


@pytest.mark.parametrize(
    ("name", "heaviest", "largest"),
    [
        ("cation", 18, 0.10),
        ("anion", 18, 0.10),
        ("cation", 36, 0.20),
        ("anion", 36, 0.20),
    ],
)
def test_energies_against_experiment(name: str, heaviest: int, largest: float) -> None:
    errors = energy_errors(library.read_library(), name, heaviest)
    assert len(errors) > 0.6 * heaviest
    assert np.mean(np.abs(list(errors.values()))) <= largest


def test_file_is_small_and_loads_quickly() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert len(text.encode()) < 1_000_000
    times = []
    for _ in range(5):
        library._shipped.cache_clear()
        start = time.perf_counter()
        ecteam.states("O")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.020


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "library.json"
    text = SHIPPED.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    assert library.read_library(path).sha256 == library.read_library().sha256
    path.write_text(text.replace('"charge": 1', '"charge": 2', 1), encoding="utf-8")
    with pytest.raises(ecteam.InvalidInputError, match="changed after it was sealed"):
        library.read_library(path)


def test_seal_survives_reading() -> None:
    fields = library.read_library().fields
    assert library.seal(fields) == SHIPPED.read_text(encoding="utf-8")


@pytest.mark.parametrize(("symbol", "problem"), [("Xx", "H to Kr"), ("U", "H to Kr")])
def test_unknown_elements(symbol: str, problem: str) -> None:
    with pytest.raises(ecteam.InvalidInputError, match=problem):
        ecteam.states(symbol)


def test_unknown_state() -> None:
    with pytest.raises(ecteam.InvalidInputError, match="got 'dication'"):
        ecteam.states("O")["dication"]


def test_show() -> None:
    outcome = command("show", "O")
    assert outcome.exit_code == 0, outcome.output
    for text in ("dianion", "13.618", "[He] 2s2 2p4", "CCSD(T)", "cusp"):
        assert text in outcome.output
    card = command("show")
    assert card.exit_code == 0, card.output
    for text in ("ionisation", "Z ≤ 18", "∫|Δρ|", library.read_library().sha256):
        assert text in card.output


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    outcome = command("plot", "O", "-o", tmp_path / "O.png")
    assert outcome.exit_code == 0, outcome.output
    assert (tmp_path / "O.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["O.png"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("show", "Xx"), "H to Kr"),
        (("show", "O", "--library", "nothing.json"), "must be a file"),
        (("plot", "Xx", "-o", "Xx.png"), "H to Kr"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], problem: str) -> None:
    outcome = command(*arguments)
    assert outcome.exit_code == 2
    assert problem in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_calculated_densities_count_their_electrons() -> None:
    pytest.importorskip("matplotlib")
    from ecteam.states_plot import computed_density

    for state in EVERY:
        found = computed_density(state.symbol, state.name)
        assert found is not None
        radii, density = found
        shells = 4.0 * np.pi * radii**3 * density * np.log(radii[1] / radii[0])
        assert shells.sum() == pytest.approx(state.electrons, abs=1e-3)
    assert computed_density("H", "dianion") is None


@pytest.fixture
def build(tmp_path: Path):
    """Run ``ecteam states build`` in a fresh process; returns the popen object."""
    pytest.importorskip("pyscf")
    pytest.importorskip("mendeleev")

    def start(*arguments: str) -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(
            [sys.executable, "-m", "ecteam", "states", "build", *arguments],
            cwd=tmp_path,
            env=environment,
            text=True,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    return start


@pytest.mark.reference
def test_killed_build_resumes(build, tmp_path: Path) -> None:
    first = build("--elements", "He")
    record = tmp_path / "states-build" / "states" / "He ground.json"
    while not record.exists():
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert not (tmp_path / "library.json").exists()
    made = record.stat().st_mtime_ns
    second = build("--elements", "He")
    problems = second.communicate(timeout=110)[1]
    assert second.returncode == 0, problems
    assert record.stat().st_mtime_ns == made
    helium = library.read_library(tmp_path / "library.json")["He"]
    assert list(helium) == list(ecteam.states("He"))
    assert not list(tmp_path.rglob(".*.tmp"))


@pytest.mark.reference
def test_failed_states_are_listed(build, tmp_path: Path) -> None:
    folder = tmp_path / "states-build" / "states"
    folder.mkdir(parents=True)
    failure = {"reason": "RuntimeError: no luck", "traceback": "", "seconds": 1.0}
    (folder / "H excited.failed.json").write_text(json.dumps(failure))
    process = build("--elements", "H")
    problems = process.communicate(timeout=110)[1]
    assert process.returncode == 1, problems
    assert "failed: H excited: RuntimeError: no luck" in problems
    found = library.read_library(tmp_path / "library.json")
    assert list(found["H"]) == ["ground", "cation", "anion"]
    assert found.fields["failures"] == {"H excited": "RuntimeError: no luck"}


@pytest.mark.reference
def test_build_refuses_unknown_elements(build) -> None:
    process = build("--elements", "H-Xx")
    assert "elements: must be symbols or ranges within H-Kr" in process.communicate()[1]
    assert process.returncode == 2


@pytest.mark.reference
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_build_reproduces_the_shipped_numbers(build, tmp_path: Path) -> None:
    process = build("--elements", "H,O")
    problems = process.communicate(timeout=1100)[1]
    assert process.returncode == 0, problems
    found = library.read_library(tmp_path / "library.json")
    radii = np.array([0.5, 1.0, 2.0, 3.0])
    for symbol in ("H", "O"):
        for state in found[symbol].states:
            shipped = ecteam.states(symbol)[state.name]
            assert state.energy_computed == pytest.approx(shipped.energy_computed, abs=1e-4)
            if shipped.polarisability_computed is not None:
                alpha = pytest.approx(shipped.polarisability_computed, rel=1e-3)
                assert state.polarisability_computed == alpha
            ours, theirs = state.density.density(radii), shipped.density.density(radii)
            np.testing.assert_allclose(ours, theirs, rtol=0.02, atol=1e-6)


def test_potential_from_the_library() -> None:
    from ase import Atoms

    potential = ecteam.Potential.from_library(["Na", "Cl"])
    assert potential.elements == {key: ["ground", "cation", "anion"] for key in ("Cl", "Na")}
    # Far apart, neutral atoms are the lowest state and the zero of energy.
    apart = ecteam.evaluate(Atoms("NaCl", [[0, 0, 0], [30, 0, 0]]), potential)
    assert apart.energy == pytest.approx(0.0, abs=1e-6)
    # Two Cl⁻, beyond the reach of their densities, repel as points.
    ions = Atoms("Cl2", [[0, 0, 0], [20, 0, 0]])
    affinity = ecteam.states("Cl")["anion"].energy
    energy = ecteam.evaluate(ions, potential, total_charge=-2.0).energy
    assert energy == pytest.approx(2 * affinity + 14.399645 / 20, abs=1e-4)
    with pytest.raises(ecteam.InvalidInputError, match="H to Kr"):
        ecteam.Potential.from_library(["U"])


def test_a_state_is_printed_in_one_line():
    oxygen = ecteam.states("O")
    assert repr(oxygen) == f"<Element O: {', '.join(oxygen)}>"
    assert repr(oxygen["anion"]) == "<AtomicState O anion: [He] 2s2 2p5, -1 e, -1.4611 eV>"
