"""``ecteam fit``: configuration, data, split, starts."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from ecteam import InvalidInputError
from ecteam.fit import labels_of
from ecteam.fit.problem import problem_of
from ecteam.fit.sides import divided, share_of, side_of
from ecteam.fit.sources import labels_of_sources
from small_fit import SMALL, small


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
        (
            {"data": [{"file": "halides", "elements": ["Li", "Xx"]}]},
            r"data\[0\].elements: must be chemical symbols, got Xx",
        ),
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
            r"decays.Li-F: must be '\*' or one of F-F, F-Li, Li-Li, F ground-F ground",
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


def test_repulsions_of_states_take_the_place_of_the_default():
    form = SMALL["start"]["form"] | {"decays": {"*": [2.0, 3.5], "F anion-Li cation": [3.0]}}
    names = problem_of(small(start={"form": form})).model.parameter_names
    pairs = {n.removeprefix("repulsion[").rsplit(" ", 2)[0] for n in names if "repulsion" in n}
    assert pairs == {"F-F", "Li-Li", "F anion-Li cation"}


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
