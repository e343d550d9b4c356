"""Dimer curves and the potentials made of them: the engine gives back what went in."""

from __future__ import annotations

import gc
import json
import time
import warnings
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import ecteam
import jsonschema
import numpy as np
import pytest
from ase import Atoms
from ecteam import baseline, construction, dimers
from ecteam.cli import app
from ecteam.dimers import read_dimers
from scipy.interpolate import CubicSpline
from typer.testing import CliRunner

SHIPPED = files("ecteam") / "data" / "dimers.json"
ELEMENTS = list(read_dimers())


def pair(symbol: str, distance: float) -> Atoms:
    return Atoms([symbol] * 2, [[0, 0, 0], [0, 0, distance]])


def used(potential: ecteam.Potential, symbol: str, state: str) -> dimers.DimerCurve:
    """Points whose densities, switched off at the cutoff, are not faint."""
    curve = read_dimers().curve(symbol, state)
    rows = potential.core.pair_functions(symbol, symbol, curve.distances)
    keep = rows[:, len(potential.elements[symbol]) ** 2] > construction.FAINT
    numbers = (curve.distances[keep], curve.energies[keep])
    return dimers.DimerCurve(symbol, state, curve.level, *numbers)


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_neutral_curves_come_back(symbol: str) -> None:
    potential = ecteam.Potential.from_library([symbol], states=("ground",))
    curve = used(potential, symbol, "ground")
    found = [ecteam.evaluate(pair(symbol, r), potential).energy for r in curve.distances]
    assert len(found) >= 14
    np.testing.assert_allclose(found, curve.energies, rtol=2e-5, atol=2e-5)


def embedded(potential: ecteam.Potential, symbol: str, state: str, density: float) -> float:
    """F(ρ̄) from the table in the file."""
    states = potential.to_dict()["elements"][symbol]["states"]
    form = next(s["embedding"] for s in states if s["name"] == state)
    values, spacing = form["table"]["values"], form["table"]["spacing"]
    spline = CubicSpline(spacing * np.arange(len(values)), values)
    argument = np.log1p(density / form["scale"])
    end = min(argument, spacing * (len(values) - 1))
    return float(spline(end) + spline(end, 1) * (argument - end))


@pytest.mark.parametrize("state", ["cation", "anion"])
@pytest.mark.parametrize("symbol", ELEMENTS)
def test_curves_of_ions_come_back(symbol: str, state: str) -> None:
    """With the charge on one atom the energy is that of the curve; sharing can only lower it."""
    potential = ecteam.Potential.from_library([symbol], electronic_temperature=0.001)
    ion, curve = ecteam.states(symbol)[state], used(potential, symbol, state)
    k = potential.elements[symbol].index(state)
    rows = potential.core.pair_functions(symbol, symbol, curve.distances)
    for row, distance, energy in zip(rows, curve.distances, curve.energies, strict=True):
        localised = (
            row[k]  # φ of the ground state with this one; densities follow the 3 × 3 of these
            + embedded(potential, symbol, state, row[9])
            + embedded(potential, symbol, "ground", row[9 + k])
        )
        assert localised == pytest.approx(energy, rel=2e-5, abs=2e-5)
        found = ecteam.evaluate(pair(symbol, distance), potential, total_charge=ion.charge)
        above = found.energy - ion.energy - energy
        assert above < 1e-4 + 2e-5 * abs(energy)
        if found.weights.max(axis=1).min() > 1.0 - 1e-6:
            assert above == pytest.approx(0.0, abs=1e-3)


def test_ions_of_fluorine_stay_whole() -> None:
    potential = ecteam.Potential.from_library(["F"])
    curve = used(potential, "F", "anion")
    affinity = ecteam.states("F")["anion"].energy
    for distance, energy in zip(curve.distances[:12], curve.energies[:12], strict=True):
        found = ecteam.evaluate(pair("F", distance), potential, total_charge=-1.0)
        assert found.weights.max(axis=1).min() > 0.999
        assert found.energy - affinity == pytest.approx(energy, rel=2e-5, abs=1e-3)


def test_continuation_beyond_the_largest_density_is_smooth() -> None:
    potential = ecteam.Potential.from_library(["H"], states=("ground",))
    first = read_dimers().curve("H", "ground").distances[0]
    forces = [
        ecteam.evaluate(pair("H", first + step), potential).forces[1, 2]
        for step in (-2e-4, -1e-4, 1e-4, 2e-4)
    ]
    slopes = np.diff(forces)
    assert slopes[0] == pytest.approx(slopes[2], rel=0.02)
    assert slopes[1] == pytest.approx(2 * slopes[2], rel=0.02)
    # Well inside, atoms repel.
    assert ecteam.evaluate(pair("H", 0.2), potential).forces[1, 2] > 50.0


def test_embedding_is_an_option() -> None:
    bare = ecteam.Potential.from_library(["Si", "H"], embedding=None)
    assert all(
        "embedding" not in state
        for element in bare.to_dict()["elements"].values()
        for state in element["states"]
    )
    with pytest.raises(ecteam.InvalidInputError, match="no dimer curve of Si ground"):
        ecteam.Potential.from_library(["H", "Si"])
    with pytest.raises(ecteam.InvalidInputError, match="no dimer curve of O dianion"):
        ecteam.Potential.from_library(["O"], states=("ground", "dianion"))
    with pytest.raises(ecteam.InvalidInputError, match="embedding: must be 'dimers' or None"):
        ecteam.Potential.from_library(["H"], embedding="crystals")  # type: ignore[arg-type]


def test_constructed_potentials_fit_the_schema(tmp_path: Path) -> None:
    potential = ecteam.Potential.from_library(["H", "F"])
    jsonschema.validate(potential.to_dict(), json.loads(ecteam.json_schema()))
    potential.save(tmp_path / "hf.json")
    assert ecteam.load(tmp_path / "hf.json") == potential
    assert read_dimers().sha256 in potential.to_dict()["citation"]


def test_file_of_curves(tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    fields = json.loads(text)
    assert fields["software"]["pyscf"]
    for symbol, element in fields["elements"].items():
        assert "CCSD(T)" in element["level"]
        for state, curve in element["curves"].items():
            assert sorted(curve["distances"]) == curve["distances"]
            ends_well = abs(curve["energies"][-1]) <= 0.02
            assert ends_well == (f"{symbol} {state} limit" not in fields["failures"])
    size = sum(
        (files("ecteam") / "data" / name).stat().st_size for name in ("dimers.json", "library.json")
    )
    assert size < 1e6
    dimers._shipped.cache_clear()
    begin = time.perf_counter()
    read_dimers()
    assert time.perf_counter() - begin < 0.02
    changed = tmp_path / "dimers.json"
    changed.write_text(text.replace("0.7815", "0.7816"), encoding="utf-8")
    with pytest.raises(ecteam.InvalidInputError, match="changed after it was sealed"):
        read_dimers(changed)


def test_known_molecules() -> None:
    """Against spectroscopy: wells (eV) and bonds (Å) of the input, within what the level can do."""
    for symbol, state, depth, length in (
        ("H", "ground", 4.748, 0.741),
        ("H", "cation", 2.793, 1.057),
        ("O", "ground", 5.213, 1.208),
        ("Li", "ground", 1.056, 2.673),
    ):
        curve = read_dimers().curve(symbol, state)
        lowest = int(np.argmin(curve.energies))
        assert -curve.energies[lowest] == pytest.approx(depth, abs=0.4)
        assert curve.distances[lowest] == pytest.approx(length, rel=0.12)


@pytest.mark.parametrize("name", ["HF", "N2"])
def test_unfitted_predictions_are_those_of_the_card(name: str) -> None:
    shipped = baseline.read_baseline()["molecules"][name]["unfitted"]
    found = baseline.predict(name)
    for key in ("length", "depth", "dipole", "charges"):
        assert found[key] == pytest.approx(shipped[key], abs=2e-4)


def test_the_library_has_a_card() -> None:
    found = CliRunner().invoke(app, ["show", "library"], env={"COLUMNS": "200"})
    assert found.exit_code == 0, found.output
    table = baseline.read_baseline()["molecules"]
    for name, row in table.items():
        depths = f"{row['unfitted']['depth']:.2f} / {row['reference']['depth']:.2f}"
        assert any(name in line and depths in line for line in found.output.splitlines())
    assert read_dimers().sha256 in found.output
    outcome = CliRunner().invoke(app, ["show", "library", "--json"])
    data = json.loads(outcome.stdout)
    assert data["sha256"] == ecteam.library.read_library().sha256
    assert data["unfitted"]["molecules"] == table


def test_the_table_belongs_to_the_shipped_files() -> None:
    shipped = baseline.read_baseline()
    assert shipped["library"] == ecteam.library.read_library().sha256
    assert shipped["dimers"] == read_dimers().sha256


@pytest.fixture
def pyscf_files() -> Iterator[None]:
    """Collect PySCF's unclosed scratch files quietly, after skipping if PySCF is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyscf = pytest.importorskip("pyscf")
        with pyscf.lib.with_omp_threads(1):
            yield
        gc.collect()


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
def test_solutions_leave_the_closed_shell_on_the_way_out() -> None:
    """Followed outwards, H₂ must break its symmetry: a symmetric solution has no gradient to."""
    from ecteam.reference import dimers as calculated
    from ecteam.reference.composite import hartree_fock

    curve = calculated.Curve("H", "ground", 0, (0.7, 1.5, 3.0, 6.0))
    found = calculated.followed(curve, hartree_fock("6-31g"))
    squares = [fields[0].spin_square()[0] for fields in found.values()]
    assert squares[0] == pytest.approx(0.0, abs=1e-6)
    assert squares[-1] == pytest.approx(1.0, abs=0.01)
    assert found[6.0][0].e_tot == pytest.approx(2 * -0.498233, abs=1e-4)  # two H/6-31G


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
def test_curves_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecteam.reference import dimer_file
    from ecteam.reference import dimers as calculated
    from ecteam.reference.composite import Composite

    short = [
        calculated.Curve("H", name, spin, (0.7, 1.1, 20.0))
        for name, spin in (("ground", 0), ("cation", 1), ("anion", 1))
    ]
    for module in (calculated, dimer_file):
        monkeypatch.setattr(module, "curves_of", lambda symbol: short)
        monkeypatch.setattr(module, "dimer_level", lambda symbol: Composite("6-31g", "cc-pvdz"))
    assert calculated.compute_curves(["H"], tmp_path / "runs", progress=False) == {}
    text = dimer_file.build_dimers(["H"], tmp_path / "runs")
    (tmp_path / "dimers.json").write_text(text, encoding="utf-8")
    found = read_dimers(tmp_path / "dimers.json")
    curve = found.curve("H", "ground")
    # Two correlated electrons: full configuration interaction, up to the step in the basis.
    assert curve.energies[0] == pytest.approx(-4.2, abs=0.5)
    assert curve.energies[2] == pytest.approx(0.0, abs=1e-3)
    # Lost points are computed again, and nothing else.
    points = tmp_path / "runs" / "points"
    names = sorted(points.iterdir())
    before = {path: path.stat().st_mtime_ns for path in names}
    names[0].unlink()
    calculated.compute_curves(["H"], tmp_path / "runs", progress=False)
    assert {p for p in points.iterdir() if p.stat().st_mtime_ns != before[p]} == {names[0]}
    assert dimer_file.build_dimers(["H"], tmp_path / "runs") == text


def states_command(*arguments: object):
    return CliRunner().invoke(app, ["states", "dimers", *map(str, arguments)])


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
def test_bad_input_stops_before_anything_runs(tmp_path: Path) -> None:
    found = states_command("--elements", "Xx", "-o", tmp_path / "dimers.json")
    assert found.exit_code == 2
    assert "elements: must be symbols or ranges" in found.output
    found = states_command("--elements", "H", "-o", tmp_path / "missing" / "dimers.json")
    assert found.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
def test_the_command_reproduces_the_shipped_curves(tmp_path: Path) -> None:
    output = tmp_path / "dimers.json"
    found = states_command("--elements", "H", "--folder", tmp_path / "runs", "-o", output)
    assert found.exit_code == 0, found.output
    for state in ("ground", "cation", "anion"):
        curve, shipped = (read_dimers(path).curve("H", state) for path in (output, None))
        np.testing.assert_array_equal(curve.distances, shipped.distances)
        np.testing.assert_allclose(curve.energies, shipped.energies, atol=1e-4)
