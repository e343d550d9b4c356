"""Encoder and decoder: an independent solver, recovery, cube files, PySCF, bad input."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import clarabel
import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.units import Bohr
from ecteam import InvalidInputError, SampledDensity, state_library
from ecteam.state_library import shipped_states, state_set
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

COULOMB = 14.399645478425668
WATER = Atoms("OHH", [[0.0, 0.0, 0.1], [0.76, 0.0, 0.7], [-0.76, 0.1, 0.7]])
METRICS = ("coulomb", "l2", "kullback-leibler")


LIBRARY = {
    symbol: [state for state in states if state["name"] in ("ground", "cation", "anion", "dianion")]
    for symbol, states in shipped_states().items()
    if symbol in ("H", "O", "Li", "F", "Na", "Cl")
}
LIBRARY |= {"H": LIBRARY["H"][:2], "O": [s for s in LIBRARY["O"] if s["charge"] <= 0]}
LIBRARY |= {symbol: [s for s in LIBRARY[symbol] if s["charge"] >= 0] for symbol in ("Li", "Na")}
LIBRARY |= {symbol: [s for s in LIBRARY[symbol] if s["charge"] <= 0] for symbol in ("F", "Cl")}
"""Two or three states of some elements: their weights can be told apart."""


@pytest.fixture(scope="module", autouse=True)
def _few_states() -> Iterator[None]:
    """Make them the default."""
    with pytest.MonkeyPatch.context() as patch:
        few = state_set(LIBRARY)
        patch.setattr(state_library, "_shipped_set", lambda: few)
        yield


def test_the_default_is_the_library() -> None:
    assert "C" in shipped_states()
    assert [s["name"] for s in shipped_states()["O"]][:2] == ["ground", "cation"]


@pytest.fixture
def pyscf_files() -> Iterator[None]:
    """Collect PySCF's unclosed scratch files quietly, after skipping if PySCF is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pyscf")
        yield
        gc.collect()


def states_of(atoms: Atoms) -> list[tuple[np.ndarray, dict[str, Any]]]:
    """Position and state of every weight."""
    library = LIBRARY
    return [
        (r, s) for r, el in zip(atoms.positions, atoms.symbols, strict=True) for s in library[el]
    ]


def form_factor(state: dict[str, Any], k: np.ndarray) -> np.ndarray:
    total = np.zeros_like(k)
    for zeta, c in zip(state["rbf"]["exponents"], state["rbf"]["coefficients"], strict=True):
        total += c / (1.0 + (k / zeta) ** 2) ** 2
    return total


def gram(atoms: Atoms, metric: str) -> np.ndarray:
    """Metric between all states by quadrature in k space: nothing shared with the engine."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    edges = np.arange(0.0, 4000.0, 0.5)
    k = (edges[:, None] + 0.25 * (nodes + 1.0)).ravel()
    dk = np.tile(0.25 * weights, len(edges))
    dk = dk * (2.0 / np.pi * COULOMB if metric == "coulomb" else k**2 / (2.0 * np.pi**2))
    states = states_of(atoms)
    factors = [form_factor(state, k) for _, state in states]
    found = np.empty((len(states), len(states)))
    for a, (ra, _) in enumerate(states):
        for b, (rb, _) in enumerate(states):
            wave = np.sinc(k * np.linalg.norm(ra - rb) / np.pi)
            found[a, b] = dk @ (factors[a] * factors[b] * wave)
    return found


def functions(atoms: Atoms, points: np.ndarray, metric: str) -> np.ndarray:
    """Densities or Coulomb potentials of all states at points, shape (states, points)."""
    rows = []
    for position, state in states_of(atoms):
        r = np.linalg.norm(points - position, axis=1)
        row = np.zeros_like(r)
        for zeta, c in zip(state["rbf"]["exponents"], state["rbf"]["coefficients"], strict=True):
            decay = np.exp(-zeta * r)
            if metric == "coulomb":
                row += COULOMB * c * (1.0 - decay * (1.0 + 0.5 * zeta * r)) / r
            else:
                row += c * zeta**3 / (8.0 * np.pi) * decay
        rows.append(row)
    return np.array(rows)


def solve(gram: np.ndarray, linear: np.ndarray, atoms: Atoms, charge: float) -> np.ndarray:
    """Minimise ½wᵀGw + cᵀw under the constraints, with Clarabel."""
    states = states_of(atoms)
    charges = np.array([state["charge"] for _, state in states], dtype=float)
    owner = np.repeat(np.arange(len(atoms)), [len(LIBRARY[s]) for s in atoms.symbols])
    rows = np.vstack([owner == i for i in range(len(atoms))]).astype(float)
    n = len(states)
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.tol_gap_abs = options.tol_gap_rel = options.tol_feas = 1e-12
    matrix = sparse.csc_matrix(np.vstack([rows, charges, -np.eye(n)]))
    bounds = np.concatenate([np.ones(len(atoms)), [charge], np.zeros(n)])
    cones = [clarabel.ZeroConeT(len(atoms) + 1), clarabel.NonnegativeConeT(n)]
    triangle = sparse.triu(sparse.csc_matrix(gram), format="csc")
    solver = clarabel.DefaultSolver(triangle, linear, matrix, bounds, cones, options)
    return np.array(solver.solve().x)


def flat(encoded: ecteam.EncodedDensity) -> np.ndarray:
    names = encoded.state_names
    return np.concatenate([w[: len(n)] for w, n in zip(encoded.weights, names, strict=True)])


def random_sample(atoms: Atoms, seed: int) -> SampledDensity:
    """Some density at scattered points: the solver must cope with anything."""
    random = np.random.default_rng(seed)
    centres = atoms.positions[random.integers(0, len(atoms), 400)]
    points = centres + random.normal(size=(400, 3))
    values = random.uniform(0.5, 1.5, 400) * functions(atoms, points, "l2")[:3].sum(axis=0)
    return SampledDensity(points, np.full(400, 0.02), values, atoms)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    metric=st.sampled_from(["coulomb", "l2"]),
    charge=st.floats(-1.5, 1.5),
    formula=st.sampled_from(["OHH", "NaCl", "OH", "LiF"]),
)
def test_gap_is_certified_by_another_solver(
    seed: int, metric: str, charge: float, formula: str
) -> None:
    random = np.random.default_rng(seed)
    atoms = Atoms(formula)
    charge = charge if formula == "OHH" else np.clip(charge, -0.9, 0.9)
    atoms.positions = np.arange(len(atoms))[:, None] * [1.1, 0.4, 0.2]
    atoms.positions += random.uniform(-0.2, 0.2, atoms.positions.shape)
    sample = random_sample(atoms, seed)
    # At scattered points a second pass would be another problem, not a better one.
    found = ecteam.encode(sample, metric=metric, total_charge=charge, count_tolerance=1e9, passes=1)
    weights = flat(found)
    assert abs(found.weights.sum(axis=1) - 1.0).max() < 1e-12
    assert found.weights.min() >= 0.0
    assert abs(found.charges.sum() - charge) < 1e-12
    matrix = gram(atoms, metric)
    reference = np.concatenate(
        [[float(state["name"] == "ground") for state in LIBRARY[s]] for s in atoms.symbols]
    )
    excess = sample.volumes * (sample.density - reference @ functions(atoms, sample.points, "l2"))
    pulls = functions(atoms, sample.points, metric) @ excess
    other = solve(matrix, -(pulls + matrix @ reference), atoms, charge)

    def objective(w: np.ndarray) -> float:
        moved = w - reference
        return float(0.5 * moved @ matrix @ moved - pulls @ moved)

    scale = 1e-7 * (1.0 + abs(objective(other)))
    assert found.objective == pytest.approx(objective(weights), abs=scale)
    assert objective(weights) - found.gap <= objective(other) + scale
    assert objective(other) <= objective(weights) + scale


def coarse_sample(atoms: Atoms, charge: float = 0.0) -> SampledDensity:
    """Neutral atoms on a grid too coarse for their cusps."""
    axes = [np.arange(-3.5, 3.6, 0.25) + 0.05] * 3
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    rows = np.zeros((len(atoms), 3))
    rows[:, 0] = 1.0
    density = ecteam.decode(rows, atoms).density(points)
    return SampledDensity(points, np.full(len(points), 0.25**3), density, atoms, charge)


@pytest.mark.parametrize("metric", METRICS)
def test_neutral_atoms_are_found_on_any_grid(metric: str) -> None:
    found = ecteam.encode(coarse_sample(WATER), metric=metric, tolerance=1e-10)
    np.testing.assert_allclose(found.charges, 0.0, atol=1e-3)
    assert found.residual < 1e-3
    assert abs(found.count_error) < 1e-3


def test_library_in_other_shapes() -> None:
    expected = ecteam.encode(coarse_sample(WATER)).weights
    document = {"format": "ecteam-states/1", "elements": LIBRARY}
    objects = {
        symbol: [
            SimpleNamespace(name=s["name"], charge=s["charge"], rbf=SimpleNamespace(**s["rbf"]))
            for s in states
        ]
        for symbol, states in LIBRARY.items()
    }
    # The states of `water` come from an earlier calculation.
    own = (ecteam.load("water-unpolarised"), 1e-4)
    for library, close in ((document, 1e-6), (objects, 1e-6), own, (state_set(None), 1e-6)):
        found = ecteam.encode(coarse_sample(WATER), library=library)
        assert found.state_names[0] == ("ground", "anion", "dianion")
        np.testing.assert_allclose(found.weights, expected, atol=close)


def test_decoded_numbers() -> None:
    rows = np.array([[0.4, 0.5, 0.1], [0.7, 0.3, 0.0], [0.6, 0.4, 0.0]])
    decoded = ecteam.decode(rows, WATER)
    np.testing.assert_allclose(decoded.charges, [-0.7, 0.3, 0.4], atol=1e-15)
    np.testing.assert_allclose(decoded.dipole, decoded.charges @ WATER.positions, atol=1e-15)
    points = WATER.positions[0] + [[0.3, 0.2, 0.1], [25.0, 0.0, 0.0]]
    values = functions(WATER, points, "l2").T
    np.testing.assert_allclose(decoded.density(points)[0], values[0] @ flat_rows(rows), rtol=1e-9)
    distances = np.linalg.norm(points[:, None] - WATER.positions, axis=2)
    expected = COULOMB * (WATER.numbers / distances).sum(axis=1)
    expected -= functions(WATER, points, "coulomb").T @ flat_rows(rows)
    np.testing.assert_allclose(decoded.potential(points), expected, rtol=1e-10)
    far = COULOMB * (decoded.charges / distances[1]).sum()
    assert decoded.potential(points)[1] == pytest.approx(far, rel=1e-9)


def flat_rows(rows: np.ndarray) -> np.ndarray:
    """Without the padding: O has three states, H two."""
    return np.concatenate([rows[0], rows[1, :2], rows[2, :2]])


def test_cube_files_give_the_weights_back(tmp_path: Path) -> None:
    rows = np.array([[0.7, 0.3, 0.0], [0.85, 0.15, 0.0], [0.85, 0.15, 0.0]])
    path = tmp_path / "water.cube"
    ecteam.decode(rows, WATER).write_cube(path, spacing=0.15)
    for metric in METRICS:
        found = ecteam.encode(path, WATER, metric=metric)
        np.testing.assert_allclose(found.weights, rows, atol=1e-2, err_msg=metric)
        assert found.residual < 0.03
        assert np.linalg.norm(found.dipole_error) < 5e-3
    again = ecteam.decode(ecteam.encode(path))
    np.testing.assert_allclose(again.dipole, rows_dipole(rows), atol=1e-2)


def rows_dipole(rows: np.ndarray) -> np.ndarray:
    return ecteam.decode(rows, WATER).dipole


def test_bad_cube_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "water.cube"
    ecteam.decode(np.eye(3)[[0, 0, 0]], WATER).write_cube(path, spacing=0.3)
    text = path.read_text()
    lines = text.splitlines()

    def message(changed: list[str], **arguments: Any) -> str:
        path.write_text("\n".join(changed) + "\n")
        with pytest.raises(InvalidInputError) as caught:
            ecteam.encode(path, **arguments)
        return str(caught.value)

    assert "need 10" in message([*lines[:9], *(f"{float(x) / Bohr**3:e}" for x in lines[9:])])
    moved = WATER.copy()
    moved.positions *= Bohr
    assert "positions[2]: must be where the density has" in message(lines, atoms=moved)
    assert "must be those of the density" in message(lines, atoms=WATER[[1, 0, 2]])
    assert "finite" in message([*lines[:200], "nan", *lines[201:]])
    assert "is not an electron density" in message([*lines[:200], "-100.0", *lines[201:]])
    negative = [*lines[:3], "-" + lines[3].lstrip(), *lines[4:]]
    assert "lengths in bohr" in message(negative)
    assert "is not a cube file" in message(lines[:50])
    assert "is not a cube file" in message(["x"] * 9)
    assert "orbitals" in message([*lines[:2], "-" + lines[2].lstrip(), *lines[3:]])
    with pytest.raises(InvalidInputError, match="there is no file"):
        ecteam.encode(tmp_path / "none.cube")


def test_bad_arguments_are_named() -> None:
    sample = coarse_sample(WATER)

    def message(*positional: Any, **named: Any) -> str:
        with pytest.raises(InvalidInputError) as caught:
            ecteam.encode(*(positional or (sample,)), **named)
        return str(caught.value)

    assert message(total_charge=5.0, count_tolerance=10.0).startswith("total_charge: no comb")
    assert "need 9" in message(total_charge=1.0)
    assert message(total_charge=float("nan")).startswith("total_charge")
    assert message(metric="l1").startswith("metric: must be one of")
    assert message(tolerance=-1.0).startswith("tolerance")
    assert message(library={"H": LIBRARY["H"]}).startswith("numbers[0]: the library has")
    assert message(library={"Xx": []}).startswith("library: 'Xx' is not")
    assert message(library={"H": []}).startswith("library[H]: has no states")
    assert message(library=3).startswith("library: must map")
    broken = {"H": [{"name": "ground", "charge": 0}]}
    assert message(library=broken).startswith("library[H][0]: must have name")
    assert message(object()).startswith("density: must be a SampledDensity")
    values = sample.density.copy()
    values[3] = np.nan
    spoiled = SampledDensity(sample.points, sample.volumes, values, WATER)
    assert message(spoiled).startswith("density[3]: must be finite")
    short = SampledDensity(sample.points, sample.volumes[1:], sample.density, WATER)
    assert message(short).startswith("volumes: must have one value per point")
    helium = Atoms("He")
    inert = SampledDensity(sample.points, sample.volumes, sample.density, helium)
    assert message(inert).startswith("numbers[0]: the library has no states of He")
    with pytest.raises(ecteam.NotConvergedError, match="duality gap"):
        ecteam.encode(random_sample(WATER, 1), count_tolerance=1e9, max_iterations=1)
    with pytest.raises(InvalidInputError, match=r"weights: must have shape \(3,"):
        ecteam.decode(np.ones((2, 3)), WATER)
    with pytest.raises(InvalidInputError, match="atoms: must be given"):
        ecteam.decode(np.ones((2, 3)))
    with pytest.raises(InvalidInputError, match="points"):
        ecteam.decode(np.eye(3), WATER).density([0.0, 0.0, 0.0])


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
@pytest.mark.parametrize("metric", METRICS)
def test_known_weights_come_back_from_an_atom_centred_grid(metric: str) -> None:
    from ecteam.interop.pyscf import sample_pyscf
    from pyscf import gto

    atoms = Atoms("NaClOH", [[0, 0, 0], [2.4, 0, 0], [0.2, 2.2, 0], [0.3, 2.9, 0.7]])
    geometry = list(zip(atoms.symbols, atoms.positions, strict=True))
    molecule = gto.M(atom=geometry, basis="sto-3g", spin=1, verbose=0)
    grid = sample_pyscf((molecule, np.eye(molecule.nao)), grid_level=5)
    rows = np.array([[0.3, 0.7, 0], [0.25, 0.75, 0], [0.6, 0.3, 0.1], [0.8, 0.2, 0]])
    density = ecteam.decode(rows, atoms).density(grid.points)
    sample = SampledDensity(grid.points, grid.volumes, density, atoms)
    charge = ecteam.decode(rows, atoms).charges.sum()
    found = ecteam.encode(sample, metric=metric, total_charge=charge, tolerance=1e-9)
    np.testing.assert_allclose(found.weights, rows, atol=1e-3)
    np.testing.assert_allclose(found.charges, ecteam.decode(rows, atoms).charges, atol=1e-4)
    assert found.residual < 1e-3


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
def test_water_from_pyscf_and_from_its_cube_file(tmp_path: Path) -> None:
    from pyscf import dft, gto
    from pyscf.tools import cubegen

    def molecule(turned: float) -> Any:
        angle = np.array(
            [[np.cos(turned), np.sin(turned), 0], [-np.sin(turned), np.cos(turned), 0]]
        )
        positions = WATER.positions @ np.vstack([angle, [0, 0, 1]])
        geometry = list(zip(WATER.symbols, positions, strict=True))
        return gto.M(atom=geometry, basis="def2-svp", verbose=0)

    field = dft.RKS(molecule(0.0), xc="PBE0").run()
    found = ecteam.encode(field, total_charge=0)
    reference = field.dip_moment(unit="AU", verbose=0) * Bohr
    np.testing.assert_allclose(found.dipole - found.dipole_error, reference, atol=1e-4)
    assert found.charges[0] < -0.05
    assert found.gap <= 1e-8
    turned = ecteam.encode(dft.RKS(molecule(1.0), xc="PBE0").run())
    np.testing.assert_allclose(turned.charges, found.charges, atol=1e-3)
    same = ecteam.encode((field.mol, field.make_rdm1()))
    np.testing.assert_array_equal(same.weights, found.weights)
    cubegen.density(
        field.mol, str(tmp_path / "water.cube"), field.make_rdm1(), resolution=0.2, margin=8.0
    )
    cube = ecteam.encode(tmp_path / "water.cube", WATER)
    np.testing.assert_allclose(cube.charges, found.charges, atol=5e-3)
    assert cube.residual == pytest.approx(found.residual, abs=0.02)


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
def test_unsuitable_pyscf_objects_are_refused() -> None:
    from pyscf import gto, mp, scf

    hydrogen = gto.M(atom="H 0 0 0; H 0 0 0.74", basis="sto-3g", verbose=0)
    field = scf.RHF(hydrogen).run()

    def message(density: Any, **named: Any) -> str:
        with pytest.raises(InvalidInputError) as caught:
            ecteam.encode(density, **named)
        return str(caught.value)

    assert "correlated method" in message(mp.MP2(field))
    assert "must have shape (2, 2)" in message((hydrogen, np.eye(3)))
    assert "must be finite" in message((hydrogen, np.full((2, 2), np.nan)))
    assert "grid_level" in message(field, grid_level=12)
    field.converged = False
    assert "not converged" in message(field)
    copper = gto.M(atom="Cu", basis="lanl2dz", ecp="lanl2dz", spin=1, verbose=0)
    assert "effective core" in message((copper, np.eye(copper.nao)))
    assert json.loads(json.dumps(field.e_tot)) < 0
