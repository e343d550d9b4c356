"""The demonstration: its physics in outline, its files, its output."""

import io
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from ase.io import read
from ecteam.cli import app
from ecteam.demo import main, run_demo
from ecteam.demo.plot import _spread
from ecteam.demo.report import demo_report
from rich.console import Console
from typer.testing import CliRunner

FILES = {
    "water-hexamer.extxyz",
    "proton-path.extxyz",
    "nacl-crystal.extxyz",
    "nacl-dissociation.extxyz",
    "weights.png",
    "demo.json",
}
short_demo = partial(run_demo, md_steps=40, path_points=5, curve_points=23)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "made" / "on demand"


@pytest.fixture(scope="module")
def found(folder):
    return short_demo(folder)


@pytest.fixture
def ran(found, monkeypatch):
    """Run the command without computing anything again."""
    monkeypatch.setattr("ecteam.cli.run_demo", lambda folder: found)
    return lambda *arguments: CliRunner().invoke(app, ["demo", *arguments])


def test_files(found, folder):
    assert {path.name for path in folder.iterdir()} == FILES
    assert {path.name for path in found.files} == FILES
    assert (folder / "weights.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "demo.json").read_text()) == json.loads(json.dumps(found.data()))


def test_trajectories_hold_charges_and_weights(found, folder):
    frames = read(folder / "water-hexamer.extxyz", index=":")
    assert len(frames) == 1 + 4
    assert frames[0].get_charges() == pytest.approx(found.water.result.charges, abs=1e-6)
    for frame in frames:
        assert frame.arrays["weights"].sum(axis=1) == pytest.approx(1.0, abs=1e-6)
        assert frame.info["states"].startswith("H: ground cation; O: ground anion")
    protons = read(folder / "proton-path.extxyz", index=":")
    assert [sum(frame.get_charges()) for frame in protons] == pytest.approx([1.0] * 5, abs=1e-6)


def test_hexamer_is_relaxed_bound_and_conserves_energy(found):
    water = found.water
    assert np.linalg.norm(water.result.forces, axis=1).max() <= 0.01
    assert water.binding < 0
    assert abs(water.dynamics.drift) < 1e-3
    assert water.dynamics.fluctuation < 1e-3
    assert water.dynamics.duration == 10.0


def test_proton_path_is_symmetric(found):
    path = found.proton
    assert path.coordinate == pytest.approx(-path.coordinate[::-1])
    assert path.energies == pytest.approx(path.energies[::-1], abs=1e-6)
    assert path.weights(0)["anion"] == pytest.approx(path.weights(1)["anion"][::-1], abs=1e-5)


def test_crystal_has_no_stress_left(found):
    crystal = found.crystal
    virial = crystal.result.stress[:3].sum() * crystal.relaxed.get_volume()
    assert abs(virial) / len(crystal.relaxed) < 0.04
    assert crystal.energy_per_pair < 0
    assert crystal.result.charges[::2] == pytest.approx(-crystal.result.charges[1::2])


def test_sodium_chloride_is_ionic_bound_and_neutral_apart(found):
    curve = found.dissociation
    assert curve.charges[curve.bond] > 0.5
    assert abs(curve.charges[-1]) < 1e-6
    assert abs(curve.energies[-1]) < 1e-4
    assert curve.distance[curve.bond] < curve.crossing < 15.0


def test_report(ran):
    outcome = ran()
    assert outcome.exit_code == 0, outcome.output
    for text in ("drift", "meV/atom", "barrier", "lattice constant", "ions to atoms", "dianion"):
        assert text in outcome.stdout
    assert "…" not in outcome.stdout, "a table does not fit in 80 columns"


def test_json(ran):
    data = json.loads(ran("--json").stdout)
    parts = {"water_hexamer", "proton_path", "nacl_crystal", "nacl_dissociation"}
    assert set(data) == parts | {"potentials", "seconds", "files", "notes"}
    assert set(data["potentials"]) == {"water", "halides"}
    assert data["water_hexamer"]["dynamics"]["drift_per_atom"] == pytest.approx(0.0, abs=1e-3)
    assert len(data["nacl_dissociation"]["points"]) == 23


def test_without_matplotlib(found, tmp_path, monkeypatch):
    monkeypatch.setattr(main, "find_spec", lambda name: None)
    demo = replace(found, files=[], notes=[])
    main._write_figure(demo, tmp_path)
    assert demo.notes == [main.NO_FIGURE]
    console = Console(width=80, file=io.StringIO())
    console.print(demo_report(demo))
    assert "'ecteam[plot]'" in console.file.getvalue()
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_a_file(tmp_path):
    path = tmp_path / "taken"
    path.write_text("")
    outcome = CliRunner().invoke(app, ["demo", "-o", str(path)])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("error: ")
    assert path.read_text() == ""


def test_labels_do_not_collide():
    heights = _spread([0.1, 0.1, 0.5, 0.99, 1.0])
    assert heights[2] == 0.5
    assert heights[-1] <= 1.0
    assert min(np.diff(heights)) > 0.07
