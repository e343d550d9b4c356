"""Many structures in one call: the same as each alone, on the CPU and on the device."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ecteam import DeviceError, InvalidInputError, NotConvergedError, _core
from ecteam.cuda import backend as backend_module
from ecteam.cuda.eam import OneStateEvaluator
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.cuda.structures import room_for
from ecteam.cuda.waves import Waves
from ecteam.structure import arrays_of
from ecteam.systems import systems_of
from host_backend import HostBackend
from host_compiler import needs_compiler
from one_state_potentials import crystal, one_state_potentials, strained
from strategies import POTENTIALS, placed_ions, placed_molecules, sheared

PRECISE = {"tolerance": 1e-11}
WATER, TOY = POTENTIALS["water-unpolarised"], POTENTIALS["toy"]  # with learned terms, and without
LAUNCHES = ["count_structure_pairs", "fill_structure_pairs", "minimise_structures"]
LAUNCHES += ["structure_forces"]
FIELDS = ("energy", "free_energy", "energies", "forces", "weights", "charges", "background")


def waters(n, seed=0, charge=0.0):
    atoms = placed_molecules(np.random.default_rng(seed), n, 2.9, 0.1)
    atoms.set_cell(None)
    atoms.info["charge"] = charge
    return atoms


def periodic(n, seed, pbc=True):
    rng = np.random.default_rng(seed)
    atoms = sheared(placed_molecules(rng, n, 3.0, 0.1), rng)
    atoms.positions += rng.uniform(-9, 9, 3)
    atoms.pbc = pbc
    return atoms


MIXED = [
    waters(1, 1),
    waters(3, 2, 1.0),
    molecule("H2"),
    waters(6, 3, -1.0),
    waters(1, 4, 2.0),  # an extreme charge leaves no choice
]


def on_device(backend=None, potential=WATER, **options):
    return EnsembleEvaluator(potential.core, backend or HostBackend(), **{**PRECISE, **options})


def check(found, engine):
    assert not isinstance(found, _core.EcteamError | _core.Evaluation), found
    for name in FIELDS:
        both = getattr(found, name), getattr(engine, name)
        np.testing.assert_allclose(*both, rtol=0, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(found.dipole, engine.dipole, rtol=0, atol=1e-8)
    assert (found.stress is None) == (engine.stress is None)
    if engine.stress is not None:
        np.testing.assert_allclose(found.stress, engine.stress, rtol=0, atol=1e-10)
    assert found.kkt_residual <= 1e-11
    assert found.positive_definite == engine.positive_definite


def engine_results(structures, potential=WATER, **options):
    engine = _core.Evaluator(potential.core, solver="krylov", **{**PRECISE, **options})
    return engine.evaluate_all(systems_of(structures))


@pytest.mark.parametrize("name", ["toy", "water-unpolarised", "halides"])
def test_a_list_on_the_cpu_has_the_bits_of_its_members(name):
    ions = [placed_ions(np.random.default_rng(k), (1, 2, 2), 2.7) for k in range(3)]
    structures = ions if name == "halides" else [waters(2), periodic(3, 1), waters(1, 2, 1.0)]
    many = ecteam.evaluate(structures, POTENTIALS[name])
    for result, atoms in zip(many, structures, strict=True):
        alone = ecteam.evaluate(atoms, POTENTIALS[name])
        for field in FIELDS:
            one, other = (np.asarray(getattr(r, field)).tobytes() for r in (result, alone))
            assert one == other, field
        assert result.symbols == alone.symbols
    assert ecteam.evaluate([], POTENTIALS[name]) == []


def test_charges_and_fragments_of_each_structure():
    structures = [waters(1), waters(2), waters(1)]
    labels = np.repeat([0, 1], 3)
    charges, fragments = [1.0, [0.0, -1.0], None], [None, labels, None]
    many = ecteam.evaluate(structures, "water-unpolarised", charges, fragments=fragments)
    sums = [result.charges.sum() for result in many]
    np.testing.assert_allclose(sums, [1.0, -1.0, 0.0], atol=1e-10)
    assert len(many[1].chemical_potentials) == 2
    same = ecteam.evaluate(tuple(structures), "water-unpolarised", 1.0)
    np.testing.assert_allclose([r.charges.sum() for r in same], 1.0, atol=1e-10)
    with pytest.raises(InvalidInputError, match="total_charge: must have one entry for each of 3"):
        ecteam.evaluate(structures, "water-unpolarised", [0.0])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Atoms("Au"), r"atoms\[1\]: numbers\[0\]: the potential .* no element Au"),
        (Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.01]]), r"atoms\[1\]: .* apart"),
        (waters(1, charge=40.0), r"atoms\[1\]: total_charge: no combination of states"),
        (waters(1, charge="much"), r"atoms\[1\]: total_charge: must be a finite number"),
        ("water-unpolarised", r"atoms\[1\]: atoms: must be an ase.Atoms object, got str"),
        (Atoms("H", positions=[[np.nan, 0, 0]]), r"atoms\[1\]: positions\[0, 0\]"),
    ],
    ids="element close charge number type nan".split(),
)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_compiler)])
def test_a_bad_structure_is_named(device, bad, message, monkeypatch):
    monkeypatch.setattr(backend_module, "CupyBackend", HostBackend)
    with pytest.raises(InvalidInputError, match=message):
        ecteam.evaluate([waters(1), bad, waters(1)], "water-unpolarised", device=device)


@needs_compiler
def test_molecules_of_all_sizes_and_charges_on_the_device():
    backend = HostBackend()
    found = on_device(backend).evaluate_all(systems_of(MIXED))
    for result, engine in zip(found, engine_results(MIXED), strict=True):
        check(result, engine)
    groups = 2  # with hydrogen and oxygen, with hydrogen
    for name in LAUNCHES:
        assert backend.launches.count(name) == groups


@needs_compiler
def test_periodic_and_not_mixed():
    structures = [periodic(2, 1), waters(2), periodic(4, 2), periodic(2, 3, (True, False, True))]
    structures += [periodic(1, 5), Atoms()]
    options = {"electrostatics": "shifted_force"}
    backend = HostBackend()
    found = on_device(backend, TOY, **options).evaluate_all(systems_of(structures))
    engines = engine_results(structures, TOY, **options)
    assert backend.launches == 3 * LAUNCHES
    for result, engine in zip(found[:-1], engines[:-1], strict=True):
        check(result, engine)
    assert found[-1].energy == 0.0


@needs_compiler
def test_ewald_sums_without_a_mesh():
    structures = [periodic(n, n) for n in (1, 2, 3, 8)]
    structures[1].info["charge"] = 0.5
    structures[2].set_cell(structures[2].cell.array * [[1.0], [0.5], [2.5]])
    options = {"electrostatics": "ewald", "accuracy": 1e-8}
    runs = [HostBackend(), HostBackend(backwards=True)]
    found, back = (
        on_device(backend, TOY, **options).evaluate_all(systems_of(structures)) for backend in runs
    )
    ewald = [*LAUNCHES[:2], "fill_ewald_pairs", *LAUNCHES[2:], "ewald_forces"]
    assert runs[0].launches == ewald
    engines = engine_results(structures, TOY, **options)
    for result, other, engine in zip(found, back, engines, strict=True):
        check(result, engine)
        assert result.forces.tobytes() == other.forces.tobytes()


@needs_compiler
def test_a_mesh_is_for_what_needs_one():
    backend, options = HostBackend(), {"electrostatics": "pme"}
    (found,) = on_device(backend, TOY, **options).evaluate_all(systems_of([periodic(1, 1)]))
    check(found, engine_results([periodic(1, 1)], TOY, **options)[0])
    assert "minimise_structures" not in backend.launches
    numbers = arrays_of(periodic(1, 1)).numbers
    tables = _core.ensemble_tables(TOY.core, numbers, [True] * 3, "auto", 1e-6)
    for length, suits in ((10.0, True), (100.0, False)):
        arrays = arrays_of(Atoms("OH", cell=3 * [length], pbc=True))
        assert Waves(tables).suit(arrays) == suits
    flat = periodic(1, 1)
    flat.cell[2] = flat.cell[1]
    (error,) = on_device(HostBackend(), TOY).evaluate_all(systems_of([flat]))
    assert isinstance(error, InvalidInputError)


@needs_compiler
def test_pairs_in_single_precision():
    structures = [waters(1), waters(3)]
    evaluator = EnsembleEvaluator(TOY.core, HostBackend(), "mixed", tolerance=1e-8)
    found = evaluator.evaluate_all(systems_of(structures))
    for result, engine in zip(found, engine_results(structures, TOY), strict=True):
        np.testing.assert_allclose(result.forces, engine.forces, rtol=0, atol=1e-4)
        assert np.abs(result.forces - engine.forces).max() > 1e-9


@needs_compiler
def test_what_does_not_fit_a_block_is_evaluated_alone():
    backend = HostBackend()
    assert (room_for(32, 3), room_for(64, 3), room_for(65, 3)) == (32, 64, 0)
    meshed, fragments = periodic(2, 4), waters(2)
    two = np.repeat(np.arange(2), 3)
    systems = systems_of([waters(1), meshed, waters(22), fragments], fragments=[None] * 3 + [two])
    found = on_device(backend).evaluate_all(systems)
    engines = _core.Evaluator(WATER.core, solver="krylov", **PRECISE).evaluate_all(systems)
    for k in (0, 2, 3):
        check(found[k], engines[k])
    np.testing.assert_allclose(found[1].forces, engines[1].forces, atol=1e-5)
    assert backend.launches.count("minimise_structures") == 1
    assert "gather_forces" in backend.launches


@needs_compiler
def test_the_order_of_the_threads_does_not_matter():
    systems = systems_of(MIXED[:4])
    runs = [on_device(HostBackend(backwards)).evaluate_all(systems) for backwards in (False, True)]
    for forth, back in zip(*runs, strict=True):
        for name in FIELDS:
            one, other = (np.asarray(getattr(run, name)).tobytes() for run in (forth, back))
            assert one == other, name


@needs_compiler
def test_as_many_at_once_as_fit_into_memory():
    systems = systems_of([waters(2, seed) for seed in range(5)])
    whole, small = HostBackend(), HostBackend(memory=40_000)
    together = on_device(whole, TOY).evaluate_all(systems)
    parts = on_device(small, TOY).evaluate_all(systems)
    assert 1 < small.launches.count("minimise_structures") < 5
    for one, other in zip(together, parts, strict=True):
        assert one.forces.tobytes() == other.forces.tobytes()
    with pytest.raises(DeviceError, match=r"a structure of 6 atoms needs \d+ bytes.*9000 bytes"):
        on_device(HostBackend(memory=9000), TOY).evaluate_all(systems)


@needs_compiler
def test_weights_that_do_not_converge_are_reported():
    found = on_device(max_iterations=1).evaluate_all(systems_of([waters(1)]))
    assert isinstance(found[0], NotConvergedError)
    assert found[0].iterations == 1
    assert found[0].residual > 1e-11
    with pytest.raises(NotConvergedError, match=r"atoms\[0\]: weights did not") as caught:
        ecteam.evaluate([waters(2)], "water-unpolarised", max_iterations=1)
    assert caught.value.iterations == 1


@needs_compiler
def test_learned_terms_and_one_state_potentials(monkeypatch, tmp_path):
    monkeypatch.setattr(backend_module, "CupyBackend", HostBackend)
    copper = one_state_potentials(tmp_path)["one"]
    crystals = [crystal(["Cu"]), crystal(["Cu"], (1, 2, 2))]
    for potential, structures in (
        ("water-unpolarised", [waters(2), waters(1)]),
        (copper, crystals),
    ):
        many = ecteam.evaluate(structures, potential, device="cuda")
        for result, engine in zip(many, ecteam.evaluate(structures, potential), strict=True):
            np.testing.assert_allclose(result.forces, engine.forces, rtol=0, atol=1e-7)
            assert result.energy == pytest.approx(engine.energy, abs=1e-8)
    gold = [*crystals, Atoms("Au")]
    found = OneStateEvaluator(copper.core, HostBackend()).evaluate_all(systems_of(gold))
    assert isinstance(found[2], InvalidInputError)


def crystals():
    structures = [
        crystal(),
        crystal(["Cu"]),
        crystal(["Cu"], (1, 2, 2)),
        crystal(["Ni"], (1, 1, 2)),
    ]
    structures += [strained(crystal(repeat=(1, 1, 2)), (True, False, True)), Atoms("Cu")]
    structures[3].pbc = False
    return structures


@needs_compiler
@pytest.mark.parametrize("name", ["alloy", "fs"])
def test_one_state_structures_together(name, tmp_path):
    potential = one_state_potentials(tmp_path)[name].core
    systems, runs = systems_of(crystals()), [HostBackend(), HostBackend(backwards=True)]
    found, back = (OneStateEvaluator(potential, run).evaluate_all(systems) for run in runs)
    assert runs[0].launches == ["structure_eam"]
    engines = _core.Evaluator(potential).evaluate_all(systems)
    for result, other, engine in zip(found, back, engines, strict=True):
        for field in (*FIELDS, "dipole", "induced_dipoles", "chemical_potentials"):
            both = getattr(result, field), getattr(engine, field)
            np.testing.assert_allclose(*both, rtol=0, atol=1e-8, err_msg=field)
        if engine.stress is not None:
            np.testing.assert_allclose(result.stress, engine.stress, rtol=0, atol=1e-9)
        assert result.forces.tobytes() == other.forces.tobytes()


@needs_compiler
def test_one_state_structures_that_go_alone(tmp_path):
    potentials = one_state_potentials(tmp_path)
    close = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 1e-9]])
    charged, flat = crystal(["Cu"]), crystal(["Cu"])
    charged.info["charge"], flat.cell[2] = 1.0, flat.cell[1]
    large = crystal(["Cu"], (8, 8, 8))
    systems = systems_of([crystal(["Cu"]), close, charged, flat, large])
    backend = HostBackend()
    found = OneStateEvaluator(potentials["one"].core, backend).evaluate_all(systems)
    for k in (1, 2, 3):
        assert isinstance(found[k], InvalidInputError)
    engine = _core.Evaluator(potentials["one"].core).evaluate_all([systems[4]])[0]
    np.testing.assert_allclose(found[4].forces, engine.forces, rtol=0, atol=1e-8)
    assert backend.launches.count("structure_eam") == 1
    assert "one_element_forces" in backend.launches


@needs_compiler
def test_one_state_structures_in_single_precision(tmp_path):
    potential, systems = one_state_potentials(tmp_path)["fs"].core, systems_of(crystals())
    mixed = OneStateEvaluator(potential, HostBackend(), "mixed").evaluate_all(systems)
    double = OneStateEvaluator(potential, HostBackend()).evaluate_all(systems)
    for rough, exact in zip(mixed[:3], double[:3], strict=True):
        np.testing.assert_allclose(rough.forces, exact.forces, rtol=0, atol=1e-4)
        assert (rough.forces != exact.forces).any()
