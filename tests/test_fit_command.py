"""``ecteam fit``: the run and its files, resumption, report."""

import json
import re
import sys

import ecteam
import numpy as np
import pytest
from ase.build import molecule
from ecteam.cli import app
from ecteam.cli_common import NOT_CONVERGED, STOPPED
from ecteam.fit import Labels
from ecteam.fit.config import read_fit
from ecteam.fit.monitor import Monitor
from ecteam.fit.problem import problem_of
from ecteam.fit.run import fit
from ecteam.parameters import Selection
from small_fit import SMALL, small
from typer.testing import CliRunner


def command(*arguments):
    return CliRunner().invoke(app, ["fit", *map(str, arguments)])


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL))
    return path


def test_bounds_and_shapes_hold(tmp_path):
    shapes = [{"states": ["F ground"], "shape": "convex"}, {"states": ["Li *"], "shape": "rising"}]
    bounds = [{"parameters": ["resonance*decay]"], "lowest": 2.6, "highest": 2.7}]
    found = fit(small(shapes=shapes, bounds=bounds), tmp_path / "run", progress=False)
    values = dict(zip(found.potential.parameter_names, found.potential.parameters, strict=True))
    decay = next(value for name, value in values.items() if name.endswith("decay]"))
    assert 2.6 <= decay <= 2.7
    density = np.linspace(0.0, 3.0, 300)
    argument = np.sqrt(density + 0.02) - np.sqrt(0.02)

    def embedding(state):
        return sum(values[f"embedding[{state} {k}]"] * argument**k for k in (1, 2))

    assert (np.diff(embedding("F ground"), 2) >= -1e-12).all()
    for state in ("Li ground", "Li cation"):
        assert (np.diff(embedding(state)) >= -1e-12).all()
    # Without the shapes the data ask for something else.
    free = fit(small(bounds=bounds), tmp_path / "free", progress=False)
    assert free.trained.cost < found.trained.cost
    assert (found.after["train"].errors.total("energy").count) == len(found.problem.sides["train"])


def test_priors(tmp_path):
    """Where the data are silent a parameter stays at the centre; a narrow prior holds the rest."""
    halides = ecteam.load("halides")
    start = halides.with_parameters(halides.parameters + 0.1)
    start.save(tmp_path / "start.json")
    prior = {
        "centre": "halides",
        "widths": [
            {"parameters": ["*"], "width": 1e-6},
            {"parameters": ["embedding[Li ground 1]"], "relative": 10.0},
        ],
    }
    config = small(start={"potential": str(tmp_path / "start.json")}, prior=prior)
    problem = problem_of(config)
    assert np.array_equal(problem.prior.centre, halides.parameters)
    found = fit(config, tmp_path / "run", progress=False)
    moved = np.abs(found.potential.parameters - halides.parameters)
    free = np.array([name == "embedding[Li ground 1]" for name in halides.parameter_names])
    assert moved[~free].max() < 1e-4
    assert moved[free].max() > 0.1


def test_the_example_runs_as_printed(tmp_path):
    """Under a minute by far: a potential, a report with every figure, errors that hold."""
    printed = command("--example")
    assert printed.exit_code == 0
    path = tmp_path / "lif.toml"
    path.write_text(printed.stdout, encoding="utf-8")
    outcome = command(path, "--json")
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.stdout)
    assert found["converged"]
    for side in ("train", "test"):
        assert (
            found["rmse"]["after"][side]["energy"] < 0.2 * found["rmse"]["before"][side]["energy"]
        )
    folder = tmp_path / "lif"
    for name in ("parity", "curves", "progress", "spectrum"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.png)\)", text)) == {p.name for p in folder.glob("*.png")}
    for words in ("| mx | test |", "| **all** | validation |", "directions are stiff", "mx: LiF"):
        assert words in text
    potential = ecteam.load(folder / "potential.json")
    assert potential.sha256 == found["sha256"]
    parameters = dict(zip(potential.parameter_names, potential.parameters, strict=True))
    assert parameters == found["parameters"]
    card = potential.to_dict()["fit"]
    assert {row["split"] for row in card["errors"]} == {"train", "held-out"}
    # The stated error of the fitted potential, by the calculator.
    rows = problem_of(read_fit(path)).sides["test"]
    errors = [
        (ecteam.evaluate(a, potential).free_energy - t[0]) / len(a)
        for a, t in zip(rows.structures, rows.targets, strict=True)
    ]
    stated = found["rmse"]["after"]["test"]["energy"]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(stated, rel=1e-6)


def test_resumed_fits_have_the_same_bits(tmp_path):
    whole = fit(small(), tmp_path / "whole", progress=False)
    parts = tmp_path / "parts"
    for iterations in (1, 3, 6):
        options = SMALL["optimiser"] | {"iterations": iterations}
        found = fit(small(optimiser=options), parts, resume=iterations > 1, progress=False)
        assert len(found.history) == iterations
    assert found.potential.parameters.tobytes() == whole.potential.parameters.tobytes()
    assert found.history == whole.history
    for name in ("potential.json", "checkpoint.json"):
        assert (parts / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_ctrl_c_leaves_the_best_potential(config_file, monkeypatch):
    """Stopped in the third step: the potential of that step is there, and the fit goes on."""
    shown = Monitor.show

    def interrupt(self, record):
        shown(self, record)
        if record["iteration"] == 3:
            raise KeyboardInterrupt

    folder = config_file.with_suffix("")
    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "show", interrupt)
        outcome = command(config_file)
    assert outcome.exit_code == STOPPED
    assert "--resume goes on" in outcome.stderr
    assert "step 3/6: loss" in outcome.stderr
    kept = json.loads((folder / "checkpoint.json").read_text())
    loss = kept["history"][-1]["loss"]
    best = ecteam.load(folder / "potential.json")
    assert loss <= min(record["loss"] for record in kept["history"])
    assert best.parameters.tobytes() != problem_of(small()).model.parameters.tobytes()
    refused = command(config_file)
    assert refused.exit_code == 2
    assert "--resume goes on with it, --restart discards it" in refused.stderr
    resumed = command(config_file, "--resume")
    assert resumed.exit_code == NOT_CONVERGED
    assert "not converged after 6 steps" in resumed.stderr
    whole = fit(small(), folder.parent / "whole", progress=False)
    assert ecteam.load(folder / "potential.json") == whole.potential
    assert not list(folder.glob(".*"))


def test_only_the_same_fit_is_resumed(config_file, tmp_path):
    assert "holds no fit to resume" in command(config_file, "--resume").stderr
    folder = tmp_path / "small"
    fit(small(), folder, progress=False)
    for changes in ({"scales": {"energy": 0.01}}, {"split": {"seed": 3}}, {"free": ["embed*"]}):
        config_file.write_text(json.dumps(SMALL | changes))
        outcome = command(config_file, "--resume")
        assert outcome.exit_code == 2
        assert "is of another fit" in outcome.stderr
    (folder / "checkpoint.json").write_text("{")
    outcome = command(config_file, "--resume")
    assert outcome.exit_code == 2
    assert "is no checkpoint" in outcome.stderr
    config_file.write_text(json.dumps(SMALL | {"optimiser": {"tolerance": 0.5}}))
    assert command(config_file, "--restart").exit_code == 0


def test_failed_minimisations_are_recorded(config_file, monkeypatch):
    """A structure whose weights do not converge costs a rejection, in every step and the report."""
    honest = Selection.jacobian, Selection.predictions
    bad = problem_of(small()).sides["train"].structures[2].positions

    def failing(method):
        def call(self, structures):
            if any(np.array_equal(atoms.positions, bad) for atoms in structures):
                raise ecteam.NotConvergedError("weights did not converge")
            return method(self, structures)

        return call

    monkeypatch.setattr(Selection, "jacobian", failing(honest[0]))
    monkeypatch.setattr(Selection, "predictions", failing(honest[1]))
    outcome = command(config_file, "--json")
    assert outcome.exit_code == NOT_CONVERGED, outcome.output
    rejected = json.loads(outcome.stdout)["rejected"]
    assert len(rejected["train"]) == 1
    assert rejected["test"] == []
    folder = config_file.with_suffix("")
    history = json.loads((folder / "checkpoint.json").read_text())["history"]
    assert all(record["rejected"] == rejected["train"] for record in history)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert f"train: the weights of {rejected['train'][0]} did not converge" in text


def test_a_report_without_matplotlib(config_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    outcome = command(config_file)
    assert outcome.exit_code == NOT_CONVERGED, outcome.output
    folder = config_file.with_suffix("")
    assert "figures need Matplotlib" in (folder / "report.md").read_text(encoding="utf-8")
    assert not list(folder.glob("*.png"))


def test_linear_terms_need_no_steps(tmp_path):
    """Terms on fixed states: one solve; the predictions are those of NumPy's least squares."""
    config = small(start={"library": {"elements": ["Li", "F"]}}, terms="Pair(3, cutoff=5.0)")
    found = fit(config, tmp_path / "run", progress=False)
    assert found.history == []
    assert found.trained.converged
    labels: Labels = found.problem.sides["train"]
    values, jacobian = found.problem.model.jacobian(labels.structures)
    weights = np.concatenate(
        [
            config.scales.row_weights(a, g, e)
            for a, g, e in zip(labels.structures, labels.groups, labels.excess, strict=True)
        ]
    )
    target = np.concatenate(labels.targets)
    used = np.isfinite(target) & (weights > 0)
    rows = (jacobian * weights[:, None])[used]
    right = ((target - values) * weights)[used]
    step = np.linalg.lstsq(rows, right, rcond=None)[0]
    expected = found.problem.model.parameters + step
    assert found.potential.parameters == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_groups_that_are_no_curve_are_said(tmp_path):
    from ecteam.fit.report import write_report

    curves = [{"group": "mx", "atoms": [0, 1]}, {"group": "xx", "atoms": [0, 2]}]
    found = fit(small(curves=curves), tmp_path / "run", progress=False)
    text = write_report(found, tmp_path / "run").read_text(encoding="utf-8")
    assert "Group `xx` has no two structures of one composition with the atoms 0 and 2" in text
    row = next(line for line in text.splitlines() if line.startswith("| mx: LiF |"))
    reference, potential = (float(cell) for cell in row.split("|")[3:5])
    assert reference == pytest.approx(1.58, abs=0.01)  # of the data, PBE0/def2-SVPD
    atoms = molecule("LiF")
    energies = []
    for shift in (-0.05, 0.0, 0.05):
        atoms.set_distance(0, 1, potential + shift)
        energies.append(ecteam.evaluate(atoms, found.potential).free_energy)
    assert energies[1] < min(energies[0], energies[2])
