"""``ecteam fit``: configuration, split, the run and its files, resumption, report."""

import json
import re
import sys

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import write
from ecteam import InvalidInputError
from ecteam.cli import app
from ecteam.cli_common import NOT_CONVERGED, STOPPED
from ecteam.configuration import checked
from ecteam.fit import Labels, labels_of
from ecteam.fit.config import FitConfig, read_fit
from ecteam.fit.monitor import Monitor
from ecteam.fit.problem import problem_of
from ecteam.fit.run import fit
from ecteam.fit.sides import divided, share_of, side_of
from ecteam.fit.sources import labels_of_sources
from ecteam.parameters import Selection
from typer.testing import CliRunner

SMALL = {
    "data": [{"file": "halides", "elements": ["Li", "F"], "groups": ["mx", "xx", "mm"]}],
    "start": {
        "form": {
            "states": {"Li": ["ground", "cation"], "F": ["ground", "anion"]},
            "decays": {"*": [2.0, 3.5]},
            "channels": [
                {"pair": ["F", "Li"], "first": ["ground", "anion"], "second": ["ground", "cation"]}
            ],
            "coefficients": 2,
        }
    },
    "split": {"validation": 0.15, "test": 0.15},
    "scales": {"energy": 0.02, "force": 0.3, "dipole": 0.1, "softening": 0.3},
    "optimiser": {"iterations": 6, "tolerance": 1e-9},
}
"""Diatomic molecules of Li and F: a step takes some hundredths of a second; six are too few."""


def small(**changes):
    return checked(FitConfig, SMALL | changes)


def command(*arguments):
    return CliRunner().invoke(app, ["fit", *map(str, arguments)])


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": []}, r"data: must not be empty, got \[\]"),
        ({"data": [{"file": "a", "sied": "x"}]}, r"data\[0\].sied: unknown; known are file, group"),
        ({"data": [{"file": "a", "side": "x"}]}, r"data\[0\].side: must be 'hash', .* got 'x'"),
        ({"scales": {"energy": -1}}, r"scales.energy: must be positive, got -1"),
        ({"scales": {"enrgy": 1}}, "scales.enrgy: unknown; known are energy, force"),
        ({"optimiser": {"ridge": -2}}, "optimiser.ridge: must be a number from 0 up, got -2"),
        ({"optimiser": {"iterations": 1.5}}, "optimiser.iterations: must be a whole number"),
        ({"split": {"test": 1.5}}, "split.test: must be below 1, got 1.5"),
        ({"split": {"test": 0.6, "validation": 0.5}}, "must be below 1, got 1.1"),
        ({"start": {}}, "start: must have exactly one of potential, library, form, got none"),
        ({"bounds": [{"parameters": ["a"], "lowest": 2, "highest": 1}]}, r"bounds\[0\].lowest"),
        ({"prior": {"widths": [{"parameters": ["a"]}]}}, "exactly one of width, relative"),
        ({"prior": {"widths": [{"parameters": ["a"], "width": 0}]}}, "must be above 0, got 0"),
        ({"shapes": [{"states": ["*"], "shape": "flat"}]}, r"shapes\[0\].shape: must be 'convex'"),
        ({"nmae": "x"}, "nmae: unknown; known are data, start, name"),
    ],
)
def test_bad_fields_are_named(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        small(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": [{"file": "no.xyz"}]}, r"data\[0\].file: no.xyz: no such file"),
        ({"data": [{"file": "halides", "groups": ["q*"]}]}, r"data\[0\].groups: must match one of"),
        ({"data": [{"file": "halides", "elements": ["H"]}]}, r"data\[0\]: nothing is left"),
        ({"data": [{"file": "water"}]}, "which the model lacks; it knows F, Li"),
        ({"data": [SMALL["data"][0] | {"side": "test"}]}, "no structure is left to train on"),
        ({"free": ["embeding*"]}, "free: parameters: nothing matches 'embeding"),
        ({"terms": "Pear(3)"}, "terms: formula: 'Pear"),
        ({"bounds": [{"parameters": ["x"], "lowest": 0}]}, r"bounds\[0\].parameters: nothing"),
        ({"shapes": [{"states": ["O *"], "shape": "convex"}]}, r"shapes\[0\].states: nothing"),
        (
            {"bounds": [{"parameters": ["resonance*decay]"], "highest": -1}]},
            "bounds: nothing is left for resonance",
        ),
        (
            {"prior": {"widths": [{"parameters": ["embedding*"], "relative": 0.1}]}},
            "relative: must be a width for embedding.* whose centre is 0",
        ),
        ({"atoms": {"energies": {"Li": 1.0}}}, "no energy of an isolated atom of F"),
        ({"start": {"potential": "nope"}}, "start: potential: must be a shipped name"),
        ({"prior": {"centre": "nope"}}, "prior.centre: potential: must be a shipped name"),
        (
            {"scales": {"emphasis": {"mmx": 2.0}}},
            "scales.emphasis.mmx: must be a group of the data, mm",
        ),
        ({"curves": [{"group": "ring"}]}, r"curves\[0\].group: must be a group of the data, mm"),
        (
            {"start": {"form": SMALL["start"]["form"] | {"decays": {"Li-F": [1.0]}}}},
            r"decays.Li-F: must be '\*' or one of F-F, F-Li, Li-Li",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        problem_of(small(**changes))


def clusters(count, seed=0):
    random = np.random.default_rng(seed)
    return [Atoms("OH2", random.uniform(0, 3, (3, 3))) for _ in range(count)]


def test_a_geometry_never_changes_side():
    """Neither by its company nor by motion, numbering or the digits of a file."""
    random = np.random.default_rng(3)
    frames = clusters(60)
    sides = [side_of(atoms, 0.2, 0.2) for atoms in frames]
    assert [side_of(atoms, 0.2, 0.2) for atoms in reversed(frames)] == sides[::-1]
    moved = []
    for atoms in frames:
        copy = atoms[[2, 0, 1]]
        copy.rotate(random.uniform(0, 360), random.normal(size=3))
        copy.positions += random.normal(size=3) + random.uniform(-1e-9, 1e-9, (3, 3))
        moved.append(copy)
    assert [side_of(atoms, 0.2, 0.2) for atoms in moved] == sides
    assert [side_of(atoms, 0.2, 0.2, seed=1) for atoms in frames] != sides
    # What was tested is never trained on if the shares of the others change.
    assert all(side_of(a, 0.4, 0.2) == s for a, s in zip(frames, sides, strict=True) if s == "test")


def test_shares_are_uniform():
    shares = np.sort([share_of(atoms) for atoms in clusters(400, seed=1)])
    assert np.abs(shares - np.linspace(0, 1, 400)).max() < 1.36 / np.sqrt(400)  # Kolmogorov, 5 %
    assert side_of(Atoms("H"), 0.5, 0.49) == "train"


def test_copies_on_two_sides_are_taken_from_the_one_that_is_fitted():
    frames = clusters(3)
    every = [*frames, frames[0].copy(), frames[1].copy()]
    for atoms in every:
        atoms.info["energy"] = 0.0
    parts, dropped = divided(labels_of(every), ["train", "train", "train", "test", "validation"])
    assert {side: len(part) for side, part in parts.items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }
    assert len(dropped) == 2
    assert parts["train"].structures[0] is frames[2]


def test_atoms_are_the_zero(tmp_path):
    """Total energies and lone atoms give the labels that relative energies give."""
    plain, sides = labels_of_sources(small(data=[{"file": "halides", "elements": ["Li", "F"]}]))
    zero = {"Li": -203.5, "F": -2710.25}
    frames = []
    for atoms, target in zip(plain.structures, plain.targets, strict=True):
        copy = Atoms(atoms.symbols, atoms.positions, info=dict(atoms.info))
        copy.info["energy"] = target[0] + sum(zero[s] for s in atoms.get_chemical_symbols())
        copy.arrays["forces"] = target[1 : 1 + 3 * len(atoms)].reshape(-1, 3)
        frames.append(copy)
    path = tmp_path / "total.extxyz"
    write(path, frames)
    for atoms in ({"from_data": True}, {"energies": zero}):
        shifted, again = labels_of_sources(small(data=[{"file": str(path)}], atoms=atoms))
        assert again == sides
        assert [t[0] for t in shifted.targets] == pytest.approx(
            [t[0] for t in plain.targets], abs=1e-6
        )
    lonely = small(data=[{"file": "halides", "groups": ["mx"]}], atoms={"from_data": True})
    with pytest.raises(InvalidInputError, match="atoms: there is no energy of an isolated atom"):
        labels_of_sources(lonely)


def test_sources_have_sides_groups_and_limits(tmp_path):
    source = SMALL["data"][0]
    every, _ = labels_of_sources(small())
    low, _ = labels_of_sources(small(data=[source | {"highest_energy": 1.0}]))
    assert low.excess.max() <= 1.0 < every.excess.max()
    assert len(low) == (every.excess <= 1.0).sum()
    test = [source | {"groups": ["mx"], "side": "test", "group": "held"}]
    problem = problem_of(small(data=[source | {"groups": ["xx", "mm"], "side": "train"}, *test]))
    assert set(problem.sides["test"].groups) == {"held"}
    assert set(problem.sides["train"].groups) == {"xx", "mm"}
    assert len(problem.sides["validation"]) == 0


def test_an_empty_side_is_said(caplog):
    source = SMALL["data"][0] | {"groups": ["xx"]}
    problem = problem_of(small(data=[source], split={"test": 1e-6, "validation": 0.0}))
    assert len(problem.sides["test"]) == 0
    assert "no structure is on the side test" in caplog.text


def test_starts(tmp_path):
    halides = ecteam.load("halides")
    halides.save(tmp_path / "own.json")
    own = problem_of(small(start={"potential": str(tmp_path / "own.json")}, name="again"))
    assert own.model.potential.name == "again"
    assert np.array_equal(own.model.parameters, halides.parameters)
    library = {"library": {"elements": ["Li", "F"]}}
    built = problem_of(small(start=library, terms="Pair(3) + ThreeBody(1, lmax=1)"))
    assert built.model.linear_parameters.all()
    assert built.model.parameter_names[0].startswith("pair1")
    twice = problem_of(
        small(start={"potential": "niobium"}, terms="Pair(2)", data=[niobium(tmp_path)])
    )
    old = ecteam.load("niobium")
    assert len(twice.model.parameters) == len(old.parameters) + 2
    assert np.array_equal(twice.model.parameters[:-2], old.parameters)


def niobium(folder):
    frames = []
    for x in (2.6, 2.8, 3.0):
        atoms = Atoms("Nb2", [[0, 0, 0], [x, 0, 0]])
        atoms.info["energy"] = x
        frames.append(atoms)
    write(folder / "nb.extxyz", frames)
    return {"file": str(folder / "nb.extxyz")}


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
            {"parameters": ["embedding[Li *"], "relative": 10.0},
        ],
    }
    config = small(start={"potential": str(tmp_path / "start.json")}, prior=prior)
    problem = problem_of(config)
    assert np.array_equal(problem.prior.centre, halides.parameters)
    found = fit(config, tmp_path / "run", progress=False)
    moved = np.abs(found.potential.parameters - halides.parameters)
    free = np.array([name.startswith("embedding[Li") for name in halides.parameter_names])
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
