"""The fit of the shipped potentials: its data, its form, and that the cards tell the truth."""

from dataclasses import replace

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.units import GPa
from ecteam.fit import Prior, Settings, errors_of, labels_of, train
from ecteam.fit.form import state_pairs
from ecteam.fit.labels import FINGERPRINT_RANGE, check_separate, duplicates
from ecteam.fit.shipped import FORMS, MOST_OXYGENS, SCALES, STAGES, card, shipped_labels
from ecteam.library import read_library
from ecteam.reference import crystals, walls


@pytest.mark.parametrize("name", sorted(FORMS))
def test_the_card_states_the_errors(name):
    """Every number of the card is recomputed from the shipped data and the shipped potential."""
    potential = ecteam.load(name)
    stated = potential.to_dict()["fit"]["errors"]
    found = card(potential, name)
    assert [(r["group"], r["split"]) for r in stated] == [(r["group"], r["split"]) for r in found]
    for row, again in zip(stated, found, strict=True):
        assert row.keys() == again.keys()
        for key in row.keys() - {"group", "split"}:
            # Forces on the atoms of a crystal vanish by symmetry: rounding.
            assert again[key] == pytest.approx(row[key], rel=2e-3, abs=1e-8), row


def different(labels):
    """Keep one of the copies of a geometry: those of a strained cubic crystal are on one side."""
    copies = {b for a, b in duplicates(labels, labels) if a < b and labels.groups[b] == "strained"}
    return labels[[k for k in range(len(labels)) if k not in copies]]


@pytest.mark.parametrize("name", sorted(FORMS))
def test_one_geometry_in_ten_is_held_out(name):
    fitted, held_out = shipped_labels(name)
    check_separate(fitted, held_out)
    most = MOST_OXYGENS.get(name, np.inf)
    assert all(atoms.symbols.count("O") <= most for atoms in fitted.structures)
    small = [k for k, atoms in enumerate(held_out.structures) if atoms.symbols.count("O") <= most]
    fitted, held_out = different(fitted), different(held_out[small])
    # All pairs beyond the range of the fingerprint count as one geometry.
    far = [
        group
        for labels in (fitted, held_out)
        for atoms, group in zip(labels.structures, labels.groups, strict=True)
        if len(atoms) == 2 and not atoms.pbc.any() and atoms.get_distance(0, 1) > FINGERPRINT_RANGE
    ]
    total = len(fitted) + len(held_out) - len(far)
    assert len(held_out) == pytest.approx(0.1 * total, abs=1 + 0.1 * len(far))
    for group in set(fitted.groups):
        share = held_out.groups.count(group) - 0.1 * (fitted.groups + held_out.groups).count(group)
        assert abs(share) <= 1.0 + 0.1 * far.count(group)


@pytest.mark.parametrize("name", sorted(FORMS))
def test_shipped_states_are_those_of_the_library(name):
    library = read_library()
    given = FORMS[name]().polarisabilities or {}
    for symbol, element in ecteam.load(name).to_dict()["elements"].items():
        for state in element["states"]:
            own = library[symbol][state["name"]]
            state.pop("embedding")
            polarisability = given.get(symbol, {}).get(state["name"])
            assert state.pop("polarisability", None) == polarisability
            assert state == own.to_potential()


@pytest.mark.parametrize("name", sorted(FORMS))
def test_a_form_starts_a_potential_and_its_prior(name):
    form, shipped = FORMS[name](), ecteam.load(name)
    start = form.start()
    assert start.parameter_names == shipped.parameter_names
    assert form.start(3) == form.start(3)
    assert form.start(3) != form.start(4)
    prior = form.prior(start)
    assert np.array_equal(prior.centre, start.parameters)
    free = [k for k, n in enumerate(start.parameter_names) if n.startswith("resonance")]
    assert np.isinf(prior.width[free[0::2]]).all()
    assert np.isfinite(np.delete(prior.width, free[0::2])).all()


def test_a_form_inherits_what_it_shares_with_another():
    form = FORMS["water"]()
    for other, _ in STAGES["water"](form):
        parent = other.start(3)
        heir = form.inheriting(parent)
        known = dict(zip(parent.parameter_names, parent.parameters, strict=True))
        own = dict(zip(form.start().parameter_names, form.start().parameters, strict=True))
        for name, value in zip(heir.parameter_names, heir.parameters, strict=True):
            expected = 0.0 if name.startswith("repulsion") else own[name]
            assert value == known.get(name, expected)


def resolved_form():
    states = {"F": ("ground", "anion"), "Li": ("ground", "cation")}
    decays = dict.fromkeys(state_pairs(states), (2.0, 4.0)) | {("F", "Li"): (1.5,)}
    plain = replace(FORMS["halides"](), polarisabilities=None, bounds=None)
    return replace(plain, states=states, decays=decays, channels=())


def test_a_form_bounds_its_parameters():
    form = replace(resolved_form(), bounds={"embedding[* 2]": (0.0, np.inf)})
    start = form.start().select("embedding[*")
    moved = start.with_parameters(start.parameters - 1.0).potential
    model = form.model(moved)
    second = [n.startswith("embedding") and n.endswith(" 2]") for n in model.parameter_names]
    assert (model.parameters[second] == 0.0).all()
    assert (model.parameter_bounds[second] == [0.0, np.inf]).all()
    others = np.delete(model.parameters, second)
    assert np.array_equal(others, np.delete(moved.parameters, second))


def test_a_form_polarises_its_states():
    form = FORMS["halides"]()
    chlorine = form.start().to_dict()["elements"]["Cl"]
    assert chlorine["polarisation_exponent"] == form.polarisation_exponents["Cl"]
    ground, anion = chlorine["states"]
    assert "polarisability" not in ground
    assert anion["polarisability"] == read_library()["Cl"]["anion"].polarisability


def test_a_form_resolves_repulsions_by_state():
    """Each of the 10 pairs of four states, and on top of them one pair of elements."""
    form = resolved_form()
    start = form.start()
    names = [n for n in start.parameter_names if n.startswith("repulsion")]
    assert len(names) == 21
    assert "repulsion[F anion-Li cation 2: amplitude]" in names
    assert "repulsion[F ground-F anion 1: amplitude]" in names
    assert names[-1] == "repulsion[F-Li 1: amplitude]"
    # The same prior in eV at a typical distance, whatever the decay.
    widths = dict(zip(start.parameter_names, form.prior(start).width, strict=True))
    for name, decay in zip(names[:2], (2.0, 4.0), strict=True):
        assert widths[name] * np.exp(-2.0 * decay) == pytest.approx(50.0)


def test_a_repulsion_of_states_acts_between_them_only():
    start = resolved_form().start()
    pair = Atoms("LiF", positions=[[0, 0, 0], [0, 0, 1.8]])

    def energy(name, total_charge):
        """Change of the energy with a larger amplitude, no charge flowing between the atoms."""
        chosen = start.select(name)
        pushing = chosen.with_parameters(chosen.parameters + 100.0).potential
        with_it, without = (
            ecteam.evaluate(pair, potential, total_charge, fragments=[0, 1]).energy
            for potential in (pushing, start)
        )
        return with_it - without

    pushed = 100.0 * np.exp(-4.0 * 1.8)
    name = "repulsion[F {}-Li {} 2: amplitude]"
    assert energy(name.format("anion", "cation"), [1, -1]) == pytest.approx(pushed, rel=1e-6)
    assert energy(name.format("ground", "ground"), [1, -1]) == pytest.approx(0.0, abs=1e-9)
    assert energy(name.format("ground", "ground"), [0, 0]) == pytest.approx(pushed, rel=1e-6)


def test_a_repulsion_names_states_of_both_elements_or_of_none():
    form = replace(resolved_form(), decays={("F anion", "Li"): (2.0,)})
    with pytest.raises(ecteam.InvalidInputError, match="two elements or one state of each, got F"):
        form.start()


def synthetic(potential):
    """What a potential says about some monomers, as labels."""
    frames = []
    for atoms in shipped_labels("water-unpolarised")[0].structures:
        if atoms.info["group"] in ("h2o-bend", "h2o-stretch", "h2o-scan"):
            copy = atoms.copy()
            result = ecteam.evaluate(copy, potential, tolerance=1e-10)
            copy.info.update(energy=result.free_energy, dipole=result.charges @ copy.positions)
            copy.arrays["forces"] = result.forces
            frames.append(copy)
    return labels_of(frames)


def test_a_fit_finds_its_way_back():
    """From parameters of the states a little off, the fit returns to what the data came from."""
    truth = ecteam.load("water-unpolarised")
    labels = synthetic(truth)
    start = truth.select("embedding[O *", "embedding[H ground*", "resonance*")
    random = np.random.default_rng(1)
    moved = start.with_parameters(start.parameters * (1 + 0.02 * random.normal(size=16)))
    before = errors_of(moved, labels).rmse()
    settings = Settings(iterations=40, tolerance=1e-8)
    found = train(moved, labels, SCALES["water-unpolarised"], settings)
    assert not found.errors.rejected
    for name in ("energy", "force", "dipole"):
        assert found.errors.rmse()[name] < 0.02 * before[name]


def test_a_prior_holds_what_the_data_do_not_see():
    truth = ecteam.load("water-unpolarised")
    labels = synthetic(truth)
    pairs = truth.select("repulsion[H-O 1: amplitude]", "repulsion[O-O 1: amplitude]")
    moved = pairs.with_parameters(pairs.parameters + 5.0)
    width = np.array([1e3, 1e-3])
    found = train(moved, labels, SCALES["water-unpolarised"], prior=Prior(moved.parameters, width))
    # One molecule knows nothing of two oxygens.
    assert found.model.parameters[1] == pytest.approx(moved.parameters[1], abs=1e-6)
    assert found.model.parameters[0] == pytest.approx(pairs.parameters[0], abs=1e-3)
    with pytest.raises(ecteam.InvalidInputError, match=r"prior\.width: must have shape \(2,\)"):
        train(moved, labels, prior=Prior(moved.parameters, np.ones(3)))
    with pytest.raises(ecteam.InvalidInputError, match=r"prior\.width: must be positive"):
        train(moved, labels, prior=Prior(moved.parameters, -np.ones(2)))


def test_structures_whose_weights_do_not_converge_are_recorded(monkeypatch):
    truth = ecteam.load("water-unpolarised").select("repulsion[H-O 1: amplitude]")
    labels = synthetic(truth.potential)
    honest = type(truth).jacobian

    def failing(self, structures):
        if any(atoms is labels.structures[1] for atoms in structures):
            raise ecteam.NotConvergedError("weights did not converge")
        return honest(self, structures)

    monkeypatch.setattr(type(truth), "jacobian", failing)
    found = train(truth, labels, SCALES["water-unpolarised"])
    assert found.errors.rejected == [labels.structures[1].info["origin"]]
    assert found.errors.total("energy").count == len(labels) - 1
    assert found.cost > 10.0 * 10.0


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
