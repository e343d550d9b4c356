"""The fit: its data, its residuals, and that the shipped cards tell the truth."""

import json

import ecteam
import numpy as np
import pytest
from ase.units import GPa
from ecteam import _core
from ecteam.fit.dataset import Dataset, load_dataset
from ecteam.fit.form import Form
from ecteam.fit.least_squares import Problem, fit
from ecteam.fit.shipped import DATA, DATA_SETS, FORMS, errors
from ecteam.reference import crystals, walls
from ecteam.structure import arrays_of


def reference(name):
    return load_dataset(*(DATA / "reference" / f"{part}.extxyz.gz" for part in DATA_SETS[name]))


def predict(dataset, potential):
    batch = _core.Batch()
    for atoms in dataset.structures:
        batch.add(*arrays_of(atoms), float(atoms.info["charge"]))
    energies, forces, _, _, dipoles, failures = batch.evaluate(potential.core)
    assert not failures
    return energies, forces, dipoles


@pytest.mark.parametrize("name", sorted(FORMS))
def test_the_card_states_the_errors(name):
    """Every number of the card is recomputed from the shipped data and the shipped potential."""
    potential = ecteam.load(name)
    dataset = reference(name)
    stated = potential.to_dict()["fit"]["errors"]
    found = errors(dataset, predict(dataset, potential))
    assert [(r["group"], r["split"]) for r in stated] == [(r["group"], r["split"]) for r in found]
    for row, again in zip(stated, found, strict=True):
        assert row.keys() == again.keys()
        for key in row.keys() - {"group", "split"}:
            # Forces on the atoms of a crystal vanish by symmetry: rounding.
            assert again[key] == pytest.approx(row[key], rel=2e-3, abs=1e-8), row


@pytest.mark.parametrize("name", sorted(FORMS))
def test_every_tenth_geometry_is_held_out(name):
    dataset = reference(name)
    groups = np.array(dataset.groups)
    for group in set(dataset.groups):
        share = dataset.held_out[groups == group]
        assert share.sum() == (len(share) + 4) // 10
    texts = [
        atoms.positions.round(6).tobytes() + atoms.cell.tobytes() for atoms in dataset.structures
    ]
    held = {text for text, out in zip(texts, dataset.held_out, strict=True) if out}
    fitted = {text for text, out in zip(texts, dataset.held_out, strict=True) if not out}
    assert not held & fitted


def small_problem() -> Problem:
    """Synthetic data: what the shipped potential says about some monomers."""
    full = reference("water")
    chosen = [k for k, group in enumerate(full.groups) if group in ("h2o-bend", "h2o-stretch")]
    structures = [full.structures[k] for k in chosen]
    dataset = Dataset(
        structures,
        np.zeros(len(chosen)),
        np.zeros((3 * len(chosen), 3)),
        np.zeros((len(chosen), 3)),
        full.held_out[chosen],
        full.excess[chosen],
    )
    energies, forces, dipoles = predict(dataset, ecteam.load("water"))
    return Problem(
        FORMS["water"](),
        Dataset(structures, energies, forces, dipoles, dataset.held_out, dataset.excess),
    )


def shipped_parameters(form: Form):
    """The parameters that made the shipped file, read back from it."""
    fields = ecteam.load("water").to_dict()
    values = [
        c
        for e in fields["elements"].values()
        for s in e["states"]
        for c in s["embedding"]["coefficients"]
    ]
    for repulsion in fields["repulsions"]:
        f = repulsion["function"]
        values.append(f["amplitude"] * np.exp(-2 * f["decay"]))
    for resonance in fields["resonances"]:
        f = resonance["amplitude"]
        values += [np.log(f["amplitude"]) - 2 * f["decay"], np.log(f["decay"])]
    assert len(values) == len(form.names)
    return np.array(values)


def test_the_jacobian_matches_central_differences():
    problem = small_problem()
    at = shipped_parameters(problem.form)
    jacobian = problem.jacobian(at)
    for k in range(0, at.size, 7):
        h = 1e-4 * max(1.0, abs(at[k]))
        step = h * np.eye(at.size)[k]
        slope = (problem.residuals(at + step) - problem.residuals(at - step)) / (2 * h)
        assert np.abs(jacobian[:, k] - slope).max() < 2e-3 * np.abs(slope).max() + 1e-6


def test_a_fit_finds_its_way_back_and_resumes(tmp_path):
    """From parameters a little off, the fit returns to the data it was made from."""
    problem = small_problem()
    truth = shipped_parameters(problem.form)
    random = np.random.default_rng(1)
    start = truth + 0.02 * random.normal(size=truth.size)
    data = slice(0, -truth.size)  # without the prior
    before = np.sum(problem.residuals(start)[data] ** 2)
    checkpoint = tmp_path / "fit.json"
    first = fit(problem, iterations=4, checkpoint=checkpoint, start=start)
    middle = np.sum(problem.residuals(first)[data] ** 2)
    assert middle < 0.05 * before
    content = json.loads(checkpoint.read_text())
    assert list(content["parameters"]) == problem.form.names
    second = fit(problem, iterations=4, checkpoint=checkpoint, start=start)
    assert np.sum(problem.residuals(second) ** 2) <= np.sum(problem.residuals(first) ** 2) + 1e-9


def test_crystals_have_their_bulk_modulus():
    modulus, volume, h = 27.6 * GPa, 5.569**3 / 4, 1e-3
    energy = [crystals.vinet(1 + k * h, 6.68, modulus, volume) for k in (-1, 0, 1)]
    # d²E/da² at equilibrium is 9 B V/a².
    assert (energy[0] - 2 * energy[1] + energy[2]) / h**2 == pytest.approx(
        9 * modulus * volume, rel=1e-3
    )


def test_walls_have_their_slope():
    h = 1e-5
    up, down = (walls.universal_repulsion(11, 17, 0.8 + k * h)[0] for k in (1, -1))
    assert walls.universal_repulsion(11, 17, 0.8)[1] == pytest.approx(
        (up - down) / (2 * h), rel=1e-6
    )
