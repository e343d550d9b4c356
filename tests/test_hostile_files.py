"""Potential and structure files that are damaged, random, huge or meant to do harm."""

import json

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ecteam.cli import app
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import POTENTIALS, TOY_FILE
from typer.testing import CliRunner

TEXT = TOY_FILE.read_text(encoding="utf-8")
FIELDS = json.loads(TEXT)


def rejected(text):
    with pytest.raises(ecteam.PotentialFormatError) as raised:
        ecteam.Potential.from_json(text)
    message = str(raised.value)
    assert ": " in message
    return message


@given(end=st.integers(0, len(TEXT.rstrip()) - 1))
@settings(max_examples=60)
def test_truncated(end):
    rejected(TEXT[:end])


@given(text=st.text(max_size=200))
@settings(max_examples=60)
def test_random_text(text):
    rejected(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(value=json_values)
@settings(max_examples=60)
def test_random_json(value):
    rejected(json.dumps(value))


def replaced(fields, path, value):
    if not path:
        return value
    fields = dict(fields) if isinstance(fields, dict) else list(fields)
    fields[path[0]] = replaced(fields[path[0]], path[1:], value)
    return fields


def all_places(fields):
    found, stack = [], [((), fields)]
    while stack:
        path, value = stack.pop()
        found.append(path)
        if isinstance(value, dict):
            stack += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            stack += [((*path, k), inner) for k, inner in enumerate(value)]
    return found


PLACES = sorted(all_places(FIELDS), key=str)
HOSTILE = st.one_of(
    st.sampled_from([1e308, -1e308, 5e-324, -1, 0, 1e10, 1e-10, 2**63, -0.0, "", [], {}, None]),
    st.floats(allow_nan=False, allow_infinity=False),
    json_values,
)


@given(path=st.sampled_from(PLACES), value=HOSTILE)
@settings(max_examples=400)
def test_one_field_replaced(path, value):
    """Either the file is rejected, or it is a potential that answers in a defined way."""
    text = json.dumps(replaced(FIELDS, path, value))
    try:
        potential = ecteam.Potential.from_json(text)
    except ecteam.PotentialFormatError:
        return
    atoms = molecule("H2O")
    try:
        result = ecteam.evaluate(atoms, potential)
    except (ecteam.InvalidInputError, ecteam.NotConvergedError):
        return
    assert np.isfinite(result.energy)
    assert np.isfinite(result.forces).all()
    np.testing.assert_allclose(result.weights.sum(axis=1), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("depth", [100, 10_000, 1_000_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"elements":', "}")])
def test_deep_nesting(depth, left, right):
    rejected(left * depth + right * depth)
    rejected(left * depth)


def test_huge_file():
    assert rejected(TEXT + " " * (65 << 20)).startswith("file: must be at most")


def test_huge_list():
    states = FIELDS["elements"]["O"]["states"]
    text = json.dumps(replaced(FIELDS, ("elements", "O", "states"), states * 100_000))
    assert rejected(text).startswith("elements.O.states: ")


def test_duplicate_and_unknown_fields():
    assert "duplicate" in rejected(TEXT.replace('"name": "toy"', '"name": "a", "name": "toy"', 1))
    assert "unknown" in rejected(json.dumps({**FIELDS, "extra": 1}))


def test_changed_contents_break_the_seal():
    fields = POTENTIALS["water-unpolarised"].to_dict()
    fields["electronic_temperature"] = 0.21
    assert rejected(json.dumps(fields)).startswith("sha256: ")


def test_files_that_are_not_text(tmp_path):
    path = tmp_path / "p.json"
    path.write_bytes(b"\xff\xfe" + bytes(range(256)))
    with pytest.raises(ecteam.PotentialFormatError, match=r"p\.json: "):
        ecteam.load(path)
    with pytest.raises(ecteam.InvalidInputError, match=r"^potential: "):
        ecteam.load(tmp_path)
    with pytest.raises(ecteam.InvalidInputError, match=r"^potential: "):
        ecteam.load("\0")


@given(content=st.binary(max_size=300), suffix=st.sampled_from([".xyz", ".cif", ".json", ".traj"]))
@settings(max_examples=40)
def test_structure_files_that_cannot_be_read(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"structure{suffix}"
    path.write_bytes(content)
    outcome = CliRunner().invoke(app, ["run", str(path)])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("error: ")
    assert outcome.stderr.count("\n") == 1


def test_a_directory_is_not_a_structure(tmp_path):
    outcome = CliRunner().invoke(app, ["run", str(tmp_path)])
    assert outcome.exit_code == 2
    assert "no such file" in outcome.stderr


@given(
    positions=st.lists(
        st.tuples(*3 * [st.floats(-1e7, 1e7) | st.sampled_from([np.nan, np.inf, 0.0, 0.5, 1e-3])]),
        min_size=1,
        max_size=5,
    ),
    cell=st.lists(st.floats(-50, 50) | st.just(0.0), min_size=9, max_size=9),
    pbc=st.sampled_from([False, True, (True, False, False)]),
    charge=st.sampled_from([0.0, 1.0, -1.0, 0.3]),
)
@settings(max_examples=150)
def test_any_structure_has_an_answer_or_a_reason(positions, cell, pbc, charge):
    symbols = ("OHHOH" * 2)[: len(positions)]
    atoms = Atoms(symbols, positions=positions, cell=np.reshape(cell, (3, 3)), pbc=pbc)
    try:
        result = ecteam.evaluate(atoms, "water-unpolarised", charge)
    except (ecteam.InvalidInputError, ecteam.NotConvergedError):
        return
    assert np.isfinite(result.energy)
    assert np.isfinite(result.forces).all()
    assert abs(result.charges.sum() - charge) <= 1e-12
