"""Fisher information of potentials with states: calibration, intervals, words, the command."""

import json
import re
from dataclasses import replace

import ecteam
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.io import write
from ecteam import InvalidInputError
from ecteam.cli import app
from ecteam.fisher import STIFF, Fisher, credible, fisher
from ecteam.fisher.words import plain_name
from ecteam.fit import Labels, Scales, Settings, train
from ecteam.fit.config import read_fit
from ecteam.fit.model import row_properties
from ecteam.fit.run import fit
from ecteam.fit.shipped import shipped_labels
from ecteam.terms import Pair
from small_fit import SMALL
from test_fisher import of_matrix
from typer.testing import CliRunner

# Not "h2o-bend": a sharply bent molecule has two minima alike, the charge on either hydrogen.
GROUPS = ("h2o-random", "oh-minus", "h3o-plus")
NOISE = Scales(0.002, 0.05, np.inf, dipole=0.02, charge=0.01)
DRAWS = 100


def molecules(step, start=0):
    every = shipped_labels("water-unpolarised")[0]
    found = [a for a, g in zip(every.structures, every.groups, strict=True) if g in GROUPS]
    return found[start::step]


@pytest.fixture(scope="module")
def truth():
    return ecteam.load("water-unpolarised").select(
        "embedding[O ground*",
        "embedding[O anion 1]",
        "embedding[H ground 1]",
        "repulsion[H-O 2: amplitude]",
        "repulsion[H-O 3: amplitude]",
        "resonance[H*O ground*",
    )


def exact(model, frames):
    sizes = np.cumsum([10 + 4 * len(atoms) for atoms in frames])[:-1]
    return np.split(model.predictions(frames), sizes)


def noisy(frames, values, random):
    targets = []
    for atoms, value in zip(frames, values, strict=True):
        weights = NOISE.row_weights(atoms, "")
        known = weights > 0.0
        target = np.full(value.size, np.nan)
        target[known] = value[known] + random.normal(size=known.sum()) / weights[known]
        targets.append(target)
    return Labels(frames, targets, [""] * len(frames))


def information(trained):
    names = tuple(trained.model.parameter_names)
    return Fisher(names, trained.model.parameters, trained.factor, trained.precision)


def test_intervals_are_calibrated(truth):
    """Known potential, known noise: 95 % intervals hold the truth in 92-98 % of the cases.

    The standard error of a share from 100 draws is about 1.5 %: what is counted is correlated.
    """
    random = np.random.default_rng(3)
    frames, probe = molecules(4), molecules(8, 2)
    values, wanted = exact(truth, frames), truth.predictions(probe)
    kinds = np.concatenate([row_properties(atoms) for atoms in probe])
    parameters, rows = [], []
    for _ in range(DRAWS):
        labels = noisy(frames, values, random)
        settings = Settings(ridge=0.0, tolerance=1e-6, iterations=40)
        found = information(trained := train(truth, labels, NOISE, settings))
        half = found.reach(0.95) * found.standard_errors
        parameters.append(np.abs(trained.model.parameters - truth.parameters) <= half)
        low, high = found.interval(trained.model, probe)
        rows.append(np.where(high - low > 1e-6, (low <= wanted) & (wanted <= high), np.nan))
    assert 0.92 <= np.mean(parameters) <= 0.98
    for kind in (0, 1, 3, 4):  # energy, force, dipole, charge
        assert 0.92 <= np.nanmean(np.array(rows)[:, kinds == kind]) <= 0.98


def test_states_and_terms_are_one_matrix():
    """Parameters of states and coefficients of terms: JᵀWJ with central differences."""
    terms = Pair(2, cutoff=4.0).potential(["H", "O"]).to_dict()["terms"]
    both = ecteam.Potential.from_dict(
        {**ecteam.load("water-unpolarised").to_dict(), "terms": terms}
    )
    model = both.select("embedding[O anion 1]", "resonance[H*O ground*", "pair1*")
    frames = molecules(12)
    labels = noisy(frames, exact(model, frames), np.random.default_rng(1))
    found = fisher(model, labels, NOISE, scaling="none")
    weights = np.concatenate([NOISE.row_weights(atoms, "") for atoms in frames])
    columns = []
    for k in range(len(model.parameters)):
        step = np.zeros(len(model.parameters))
        step[k] = 1e-4 * max(abs(model.parameters[k]), 0.1)
        ahead = model.with_parameters(model.parameters + step).predictions(frames)
        back = model.with_parameters(model.parameters - step).predictions(frames)
        columns.append(weights * (ahead - back) / (2 * step[k]))
    matrix = np.array(columns) @ np.array(columns).T
    seen = np.diag(matrix) > 0.0  # one molecule knows nothing of two oxygens
    assert (found.matrix[~seen] == 0.0).all()
    assert seen.sum() == 7
    scale = np.sqrt(np.outer(np.diag(matrix), np.diag(matrix))) + np.outer(~seen, ~seen)
    scale[np.outer(seen, ~seen) | np.outer(~seen, seen)] = 1.0
    assert found.matrix / scale == pytest.approx(matrix / scale, abs=1e-4)


def test_credible_sorts_the_rows(truth):
    frames = molecules(10)
    labels = noisy(frames, exact(truth, frames), np.random.default_rng(2))
    found = fisher(truth, labels, NOISE)
    crystal = bulk("MgO", "rocksalt", a=4.2)
    crystal.numbers[:] = 8, 1
    asked = [molecule("H2O"), crystal]
    low, high = found.interval(truth, asked, 0.8)
    water, periodic = credible(found, truth, asked, 0.8)
    result = ecteam.evaluate(asked[0], truth.potential)
    assert water.energy.value == pytest.approx(result.free_energy, abs=1e-7)
    assert water.forces.value == pytest.approx(result.forces, abs=1e-6)
    assert water.charges.value == pytest.approx(result.charges, abs=1e-6)
    assert water.dipole.value == pytest.approx(result.dipole, abs=1e-6)
    assert (water.stress, periodic.dipole) == (None, None)
    assert periodic.stress.value.shape == (6,)
    parts = (water.energy, water.forces, water.dipole, water.charges)
    for end, whole in (("low", low), ("high", high)):
        own = np.concatenate([np.ravel(getattr(part, end)) for part in parts])
        assert np.array_equal(own, np.delete(whole[:22], np.arange(10, 16)))
    assert (water.forces.low <= water.forces.value).all()
    assert (water.forces.high - water.forces.low).max() > 1e-4
    assert credible(found, truth, []) == []
    with pytest.raises(InvalidInputError, match=r"level: must be between 0 and 1, got 95"):
        credible(found, truth, asked, 95)


def test_twins_are_one_direction_and_one_is_frozen():
    random = np.random.default_rng(0)
    columns = np.linalg.qr(random.normal(size=(60, 4)))[0]
    columns[:, 3] = -columns[:, 1] + 1e-4 * columns[:, 3]
    found = of_matrix(columns)
    assert len(found.to_freeze()) == 1
    assert found.to_freeze()[0] in ("p1", "p3")
    text = found.summary()
    assert re.search("p[13] and p[13] are one direction .they change together.: freeze one", text)
    assert "Freezing 1 of 4 leaves only stiff directions: `p" in text
    columns[:, 3] = 0.0
    assert "p3 is hardly determined by itself: freeze it." in of_matrix(columns).summary()
    assert "nothing needs to be frozen" in of_matrix(columns[:, :3]).summary()


def test_freezing_leaves_stiff_directions_only():
    random = np.random.default_rng(5)
    mixed = random.normal(size=(80, 12)) @ np.diag(np.geomspace(1, 1e-6, 12))
    columns = mixed @ np.linalg.qr(random.normal(size=(12, 12)))[0]
    found = of_matrix(columns)
    frozen = {int(name[1:]) for name in found.to_freeze()}
    assert 0 < len(frozen) < 12
    kept = columns[:, [k for k in range(12) if k not in frozen]]
    values = of_matrix(kept).eigenvalues
    assert values[-1] >= STIFF * values.mean()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("embedding[O anion 1]", "the embedding slope of the anion of O"),
        ("embedding[H ground 2]", "the second embedding coefficient of neutral H"),
        ("repulsion[H-O 2: amplitude]", "the amplitude of repulsion 2 of H-O"),
        (
            "repulsion[Cl anion-Li cation 1: decay]",
            "the decay of repulsion 1 of Cl (anion) and Li (cation)",
        ),
        ("polarisability[Cl anion]", "the polarisability of the anion of Cl"),
        (
            "resonance[H ground>cation O ground>anion: decay]",
            "the decay of the resonance of H (ground → cation) with O (ground → anion)",
        ),
        ("energy[H cation]", "the energy of the cation of H"),
        ("electronic_temperature", "the electronic temperature"),
        ("three_body1[O: H0 H1 l=2]", "three_body1[O: H0 H1 l=2]"),
    ],
)
def test_names_in_plain_words(name, words):
    assert plain_name(name) == words


def test_every_name_of_a_potential_is_understood():
    names = [c.name for c in ecteam.load("halides").coefficients]
    assert all(plain_name(name) != name for name in names if name != "electronic_temperature")


def command(*arguments):
    return CliRunner().invoke(app, ["fisher", *map(str, arguments)])


def test_the_command_writes_a_report(tmp_path):
    asked = tmp_path / "asked.xyz"
    write(asked, [molecule("LiF"), molecule("Li2")])
    report = tmp_path / "report.md"
    outcome = command(
        *(
            "halides",
            "halides",
            "-o",
            report,
            "--free",
            "embedding[F*",
            "--free",
            "repulsion[F-Li*",
        ),
        *("--free", "!*decay]", "--scale", "dipole=0.08", "--scale", "charge=inf"),
        *("--predict", asked, "--json"),
    )
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.stdout)
    assert len(found["parameters"]) == len(found["eigenvalues"]) == 6
    lithium_fluoride, lithium = found["predictions"]
    assert lithium_fluoride["energy"]["low"] < lithium_fluoride["energy"]["high"]
    assert lithium["energy"]["low"] == lithium["energy"]["high"]  # none of the 6 acts there
    text = report.read_text(encoding="utf-8")
    for words in (
        "6 parameters",
        "| direction | eigenvalue |",
        "| `embedding[F anion 1]` |",
        "| mx | ",
        "## Predictions, 95% intervals",
        "| 0: FLi |",
    ):
        assert words in text, words
    assert (tmp_path / "report-spectrum.png").read_bytes().startswith(b"\x89PNG")
    assert "(report-spectrum.png)" in text


def test_a_level_and_an_element_that_cannot_be(tmp_path):
    asked = tmp_path / "asked.xyz"
    write(asked, molecule("H2O"))
    few = ("halides", "halides", "--free", "repulsion[F-Li*amplitude]", "--predict", asked)
    assert "predict: structures[0]: numbers[0]: the potential" in command(*few).stderr
    write(asked, molecule("LiF"))
    said = command(*few, "--level", 95).stderr
    assert "level: must be between 0 and 1, got 95" in said


def test_the_command_says_it_in_words():
    outcome = command("halides", "halides", "--free", "repulsion[F-Li*amplitude]")
    assert outcome.exit_code == 0
    assert "2 parameters" in outcome.stdout
    assert "stiff" in outcome.stdout


def test_a_fit_and_the_command_say_the_same(tmp_path):
    """The configuration in place of data: the training data, parameters, scales and the prior."""
    config = tmp_path / "small.json"
    prior = {"widths": [{"parameters": ["embedding*"], "width": 3.0}]}
    config.write_text(json.dumps(SMALL | {"prior": prior}))
    fitted = fit(read_fit(config), tmp_path / "run", progress=False)
    outcome = command(tmp_path / "run" / "potential.json", config, "--json")
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.stdout)
    own = fitted.information
    assert found["parameters"] == list(own.names)
    assert found["eigenvalues"] == pytest.approx(own.eigenvalues.tolist(), rel=1e-6)
    errors = np.sqrt(np.diag(found["covariance"]))
    assert errors == pytest.approx(own.standard_errors, rel=1e-5)
    without = replace(own, precision=np.zeros(len(own.names)))
    assert (errors < without.standard_errors).any()
    refused = command(tmp_path / "run" / "potential.json", config, "--free", "embedding*")
    assert "--free and further files do not go with it" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("nope", "halides"), "potential: must be a shipped name"),
        (("water-unpolarised", "nope.xyz"), "nope.xyz: no such file"),
        (("water-unpolarised", "halides"), "which the model lacks"),
        (("halides", "halides", "--free", "x*"), "nothing matches 'x*'"),
        (("halides", "halides", "--scale", "mass=1"), "scale: must be one of energy"),
        (("halides", "halides", "--scale", "force=much"), "force must be a number, got 'much'"),
        (("halides", "halides", "--scale", "force=-1"), "scales.force: must be positive"),
        (("halides", "halides", "--scaling", "log"), "scaling: must be unit, relative, none"),
        (("halides", "halides", "-o", "no/where.md"), "there is no directory"),
        (("halides", "halides", "--predict", "no.xyz"), "no.xyz: no such file"),
    ],
)
def test_bad_input_is_one_line(arguments, problem):
    outcome = command(*arguments)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("error: ")
    assert problem in outcome.stderr
    assert outcome.stderr.count("\n") == 1
