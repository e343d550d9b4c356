"""Training: labels, factors, variable projection, regularisation, and bad input."""

import itertools
import math

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ecteam import InvalidInputError
from ecteam.fit import (
    NotFiniteError,
    Scales,
    Settings,
    check_separate,
    duplicates,
    errors_of,
    labels_of,
    read_labels,
    split,
    train,
)
from ecteam.fit import factor as factor_module
from ecteam.fit import sweep as sweep_module
from ecteam.fit.factor import Accumulator, Factor, relevance, solve
from ecteam.fit.labels import folds_of
from scipy.optimize import least_squares
from toy_model import TRUE, ToyModel, crystals, labelled

START = np.array([1.0, 1.0, 1.0, 1.0, 2.5])


@pytest.fixture(scope="module")
def exact():
    return labels_of(labelled(crystals(8)))


@pytest.fixture(scope="module")
def noisy():
    return labels_of(labelled(crystals(8), noise=(2e-3, 0.05, 1e-3)))


def test_exact_data_give_the_parameters_back(exact):
    found = train(ToyModel(START), exact, settings=Settings(tolerance=1e-12, ridge=1e-15))
    assert found.model.parameters == pytest.approx(TRUE, rel=1e-5)
    assert found.converged
    assert found.errors.rmse()["force"] < 1e-6
    assert found.errors.rmse() == pytest.approx(errors_of(found.model, exact).rmse(), rel=1e-6)
    assert found.unidentified == ()


def test_it_is_the_minimum_that_a_general_solver_finds(noisy):
    scales = Scales(energy=0.01, force=0.05, stress=0.01)
    found = train(ToyModel(START), noisy, scales, Settings(tolerance=1e-12, ridge=0.0))
    weights = np.concatenate(
        [scales.row_weights(a, g) for a, g in zip(noisy.structures, noisy.groups, strict=True)]
    )
    targets = np.concatenate(noisy.targets)

    def residuals(p):
        return np.nan_to_num((ToyModel(p).predictions(noisy.structures) - targets) * weights)

    reference = least_squares(residuals, found.model.parameters * 1.01, x_scale="jac", xtol=1e-14)
    assert found.cost == pytest.approx(2 * reference.cost, rel=1e-9)
    left = residuals(found.model.parameters)
    assert found.cost == pytest.approx(float(left @ left), rel=1e-9)


def test_bounds_hold(exact):
    bounds = ((-np.inf, np.inf),) * 4 + ((1.3, 5.0),)
    found = train(ToyModel(START, bounds), exact)
    assert found.model.parameters[4] == 1.3
    assert found.cost > 0.0
    bounded_linear = ((-np.inf, np.inf), (-10.0, 0.0), *ToyModel().bounds[2:])
    found = train(ToyModel(np.array([1.0, -1.0, 1.0, 1.0, 1.1]), bounded_linear), exact)
    assert -10.0 <= found.model.parameters[1] <= 0.0


def test_streaming_in_small_chunks_changes_nothing(noisy, monkeypatch):
    whole = sweep_module.sweep(ToyModel(START), noisy, Scales())
    monkeypatch.setattr(sweep_module, "CHUNK_BYTES", 1)
    pieces = sweep_module.sweep(ToyModel(START), noisy, Scales())
    assert len(list(sweep_module.chunks(noisy.structures, 6))) == len(noisy)
    for a, b in ((whole.factor, pieces.factor), (pieces.factor, whole.factor)):
        gram = a.triangle.T @ a.triangle
        assert gram == pytest.approx(b.triangle.T @ b.triangle, rel=1e-10)
    assert whole.factor.chi_squared() == pytest.approx(pieces.factor.chi_squared(), rel=1e-12)
    assert whole.errors.rmse() == pytest.approx(pieces.errors.rmse())


def test_normal_equations_agree_with_qr(monkeypatch):
    random = np.random.default_rng(3)
    jacobian, residual = random.normal(size=(200, 6)), random.normal(size=200)
    found = []
    for limit in (10, 5):
        monkeypatch.setattr(factor_module, "QR_LIMIT", limit)
        sums = Accumulator(6)
        for rows in np.array_split(np.arange(200), 7):
            sums.add(jacobian[rows], residual[rows])
        found.append(sums.factor())
    expected = np.linalg.lstsq(jacobian, residual, rcond=None)[0]
    for factor in found:
        assert factor.rows == 200
        step = solve(factor.triangle, factor.projected).step
        assert step == pytest.approx(expected)
        left = residual - jacobian @ expected
        assert factor.chi_squared(step) == pytest.approx(left @ left)
        assert factor.shifted(step).chi_squared() == pytest.approx(left @ left)
        prior = factor.with_prior(np.full(6, 2.0), np.ones(6))
        bent = np.linalg.solve(jacobian.T @ jacobian + 2 * np.eye(6), jacobian.T @ residual + 2.0)
        assert solve(prior.triangle, prior.projected).step == pytest.approx(bent)
    halves = Factor.merged([found[0], found[0]])
    assert halves.chi_squared() == pytest.approx(2 * found[0].chi_squared())


def test_a_singular_design_gets_small_parameters_and_says_so(exact, caplog):
    start = np.array([1.0, 1.0, 1.0, 1.0, 1.1, 0.0])
    for ridge in (0.0, 1e-10):
        settings = Settings(ridge=ridge, tolerance=1e-10)
        found = train(ToyModel(start, copies=1), exact, settings=settings)
        assert found.unidentified == ("pair[1]", "copy[0]")
        assert "do not determine pair[1], copy[0]" in caplog.text
        first, copy = found.model.parameters[[0, 5]]
        assert first + copy == pytest.approx(TRUE[0], rel=1e-3)
        # The ridge wants both small and so equal; without it they keep the distance of the start.
        assert first - copy == pytest.approx(1.0 if ridge == 0.0 else 0.0, abs=1e-3)
        assert found.errors.rmse()["force"] < 1e-3


def test_relevance_determination_drops_what_the_data_do_not_need(noisy):
    random = np.random.default_rng(0)
    jacobian = random.normal(size=(400, 8)) * np.logspace(-3, 3, 8)
    truth = np.array([500.0, 0, 0, 1.0, 0, 0, 0.02, 0])
    sums = Accumulator(8)
    sums.add(jacobian, jacobian @ truth + 0.1 * random.normal(size=400))
    factor = sums.factor()
    precision = relevance(factor, np.ones(8, dtype=bool))
    prior = factor.with_prior(precision, np.zeros(8))
    found = solve(prior.triangle, prior.projected).step
    scaled = found * np.logspace(-3, 3, 8)
    needed = truth != 0
    assert found[needed] == pytest.approx(truth[needed], rel=0.05)
    assert np.abs(scaled[~needed]).max() < 0.02
    assert (np.abs(scaled[~needed]) < 1e-6).sum() >= 2
    fitted = train(ToyModel(START), noisy, settings=Settings(relevance=True))
    plain = train(ToyModel(START), noisy)
    assert fitted.cost == pytest.approx(plain.cost, rel=0.05)
    assert (fitted.precision[1:4] > 10 * plain.precision[1:4]).all()


def test_an_overflowing_model_is_an_error_at_the_start_and_a_rejected_step_later(exact):
    class Overflowing(ToyModel):
        def jacobian(self, structures):
            values, jacobian = super().jacobian(structures)
            return np.where(self.parameters[4] < 1.4, np.inf, values), jacobian

    with pytest.raises(NotFiniteError, match=r"structure 0.*not finite"):
        train(Overflowing(TRUE), exact)
    found = train(Overflowing(START), exact)
    assert found.model.parameters[4] >= 1.4
    assert np.isfinite(found.cost)


def test_parameters_the_engine_refuses_are_a_rejected_step(exact):
    class Refusing(ToyModel):
        def jacobian(self, structures):
            if self.parameters[4] < 1.4:
                raise InvalidInputError("parameters of absurd size")
            return super().jacobian(structures)

    steps = []
    found = train(Refusing(START), exact, report=steps.append)
    assert found.model.parameters[4] >= 1.4
    assert any(np.isnan(step.gain) and not step.accepted for step in steps)


def test_steps_are_reported_and_resumed(noisy):
    """Gains near the minimum are as promised; a state is all that a fit needs to go on."""
    steps = []
    whole = train(ToyModel(START), noisy, settings=Settings(tolerance=1e-12), report=steps.append)
    assert [step.state.iterations for step in steps] == list(range(1, whole.iterations + 1))
    costs = [step.cost for step in steps]
    assert costs == sorted(costs, reverse=True)
    assert [s.accepted for s in steps[1:]] == [b < a for a, b in itertools.pairwise(costs)]
    assert any(step.accepted and step.gain == pytest.approx(1.0, abs=0.05) for step in steps)
    for step in steps:
        again = train(ToyModel(START), noisy, settings=Settings(tolerance=1e-12), resume=step.state)
        assert again.model.parameters.tobytes() == whole.model.parameters.tobytes()
        assert again.iterations == whole.iterations
    relevant = Settings(relevance=True, iterations=4)
    states = []
    whole = train(
        ToyModel(START), noisy, settings=relevant, report=lambda step: states.append(step.state)
    )
    for state in states[::3]:
        again = train(ToyModel(START), noisy, settings=relevant, resume=state)
        assert again.model.parameters.tobytes() == whole.model.parameters.tobytes()


def test_any_subset_of_labels(tmp_path):
    frames = labelled(crystals(6))
    for k, name in enumerate(("energy", "forces", "stress")):
        del frames[k].calc.results[name]
    write(tmp_path / "some.extxyz", frames)
    labels = read_labels(tmp_path / "some.extxyz")
    assert [labels.count(name) for name in ("energy", "force", "stress")] == [5, 240, 30]
    found = train(ToyModel(START), labels, settings=Settings(tolerance=1e-12))
    assert found.model.parameters == pytest.approx(TRUE, rel=1e-3)
    assert found.factor.rows == 275
    for frame in frames:
        frame.calc.results.pop("forces", None)
        frame.calc.results.setdefault("energy", ToyModel().predictions([frame])[0])
    energies = labels_of(frames)
    assert set(train(ToyModel(START), energies).errors.rmse()) == {"energy", "stress"}
    assert energies.count("force") == 0


def test_one_geometry_can_be_fitted_but_not_split():
    one = labels_of(labelled(crystals(1)))
    assert train(ToyModel(TRUE * 1.1), one).cost < 1.0
    with pytest.raises(InvalidInputError, match="1 structures leave one side empty"):
        split(one, 0.2)
    with pytest.raises(InvalidInputError, match="folds: must be from 2 to"):
        folds_of(one, 2)


@pytest.mark.parametrize("name", ["energy", "forces", "stress"])
def test_nan_labels_are_refused(name, tmp_path):
    frames = labelled(crystals(2))
    frames[1].calc.results[name] = np.full_like(frames[1].calc.results[name], math.nan)
    with pytest.raises(InvalidInputError, match=f"structure 1: {name}: must be finite.*nan"):
        labels_of(frames)
    if name == "energy":
        write(tmp_path / "x.extxyz", frames)
        with pytest.raises(InvalidInputError, match=r"x\.extxyz, frame 1: energy"):
            read_labels(tmp_path / "x.extxyz")


def test_files_that_cannot_serve(tmp_path):
    with pytest.raises(InvalidInputError, match="no such file"):
        read_labels(tmp_path / "none.extxyz")
    (tmp_path / "noise.extxyz").write_bytes(bytes(range(256)))
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_labels(tmp_path / "noise.extxyz")
    write(tmp_path / "bare.extxyz", crystals(1))
    with pytest.raises(InvalidInputError, match="has none of energy, forces"):
        read_labels(tmp_path / "bare.extxyz")
    with pytest.raises(InvalidInputError, match="has no atoms"):
        labels_of([Atoms()])
    with pytest.raises(InvalidInputError, match="there is no structure"):
        labels_of([])


def test_a_label_of_the_wrong_shape_is_refused():
    frame = labelled(crystals(1))[0]
    frame.calc = SinglePointCalculator(frame, stress=np.zeros((3, 3)))
    assert labels_of([frame]).count("stress") == 6
    frame.calc = SinglePointCalculator(frame, stress=np.zeros(5))
    with pytest.raises(InvalidInputError, match="stress: must have 6 numbers, got 5"):
        labels_of([frame])


def test_an_unknown_element_is_refused(exact):
    exact.structures[3].numbers[2] = 42
    try:
        with pytest.raises(InvalidInputError, match="structure 3: has Mo, which the model lacks"):
            train(ToyModel(), exact)
    finally:
        exact.structures[3].numbers[2] = 41


def test_duplicates_are_found_whatever_numbering_and_place():
    frames = labelled(crystals(4))
    moved = frames[2].copy()
    moved.calc = frames[2].calc
    moved.rotate(30, (1, 2, 3), rotate_cell=True)
    moved.translate([0.3, 0.1, -0.2])
    moved = moved[list(reversed(range(len(moved))))]
    moved.calc = SinglePointCalculator(moved, energy=1.0)
    train_set, other = labels_of(frames), labels_of([*labelled(crystals(3, seed=5)), moved])
    assert duplicates(train_set, other) == [(2, 3)]
    with pytest.raises(InvalidInputError, match="1 pairs of structures are the same geometry"):
        check_separate(train_set, other)
    check_separate(train_set, other[[0, 1, 2]])
    both = labels_of([*frames, moved])
    for seed in range(4):
        folds = folds_of(both, 3, seed)
        assert folds[2] == folds[4]


def test_the_split_is_by_geometry():
    labels = labels_of(labelled(crystals(40, size=1)))
    kept, aside = split(labels, 0.3, seed=1)
    assert len(kept) + len(aside) == 40
    assert 4 <= len(aside) <= 20
    order = list(reversed(range(40)))
    again = {id(atoms) for atoms in split(labels[order], 0.3, seed=1)[1].structures}
    assert again == {id(atoms) for atoms in aside.structures}
    other = {id(atoms) for atoms in split(labels, 0.3, seed=2)[1].structures}
    assert other != again
    folds = np.array(folds_of(labels, 4))
    for group in ("warm", "hot"):
        counts = np.bincount(folds[np.array(labels.groups) == group], minlength=4)
        assert counts.max() - counts.min() <= 1


def test_fragments_with_other_charges_are_another_kind():
    """The energy above the lowest counts among structures of the same charges only."""
    frames = []
    for energy, charges in ((-1.0, [0.0, 0.0]), (-0.5, [0.0, 0.0]), (3.0, [1.0, -1.0])):
        atoms = Atoms("Li2", [[0, 0, 0], [9, 0, 0]], info={"energy": energy})
        atoms.info["charge"] = np.array(charges)
        atoms.arrays["fragments"] = np.array([0, 1])
        frames.append(atoms)
    assert labels_of(frames).excess.tolist() == [0.0, 0.25, 0.0]


def test_emphasis_and_scales_weigh_rows():
    atoms = crystals(1)[0]
    scales = Scales(0.01, 0.1, math.inf, {"hot": 2.0, "cold": {"energy": 5.0}})
    plain, hot, cold = (scales.row_weights(atoms, group) for group in ("", "hot", "cold"))
    assert plain[0] == pytest.approx(100 / 16)
    assert plain[1:49] == pytest.approx(10.0)
    assert (plain[49:] == 0.0).all()
    assert hot == pytest.approx(2 * plain)
    assert cold[0] == 5 * plain[0]
    assert cold[1:] == pytest.approx(plain[1:])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scales(energy=0.0), "scales.energy: must be positive, got 0.0"),
        (lambda: Scales(force=math.nan), "scales.force: must be positive, got nan"),
        (lambda: Scales(emphasis={"a": -1.0}), "scales.emphasis.a.energy: must be positive"),
        (lambda: Scales(emphasis={"a": {"mass": 1.0}}), "scales.emphasis.a: must name energy"),
        (lambda: Settings(ridge=-1.0), "ridge: must be a number from 0 up"),
        (lambda: Settings(iterations=-1), "iterations: must be 0 or more"),
        (lambda: Settings(tolerance=0.0), "tolerance: must be positive"),
    ],
)
def test_settings_are_checked(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
