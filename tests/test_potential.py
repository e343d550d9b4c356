"""Potentials: shipped ones, files, seal, pickle."""

import copy
import json
import pickle

import ecteam
import jsonschema
import pytest
from ecteam.files import whole_file

SHIPPED = ["halides", "water"]


@pytest.fixture
def water():
    return ecteam.load("water")


def test_shipped_names():
    assert set(SHIPPED) <= set(ecteam.available())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_potentials_load_and_fit_their_schema(name):
    potential = ecteam.load(name)
    assert potential.name == name
    assert len(potential.sha256) == 64
    jsonschema.validate(potential.to_dict(), json.loads(ecteam.json_schema()))


def test_states(water):
    assert water.elements == {"H": ["ground", "cation"], "O": ["ground", "anion", "dianion"]}
    assert set(ecteam.load("halides").elements) == {"Li", "Na", "K", "F", "Cl"}
    assert water.cutoff == water.to_dict()["cutoff"]["radius"]


def test_save_and_load(water, tmp_path):
    path = tmp_path / "copy.json"
    water.save(path)
    again = ecteam.load(path)
    assert again == water
    assert again.to_json() == water.to_json()
    assert [entry.name for entry in tmp_path.iterdir()] == ["copy.json"]


def test_copies_are_equal(water):
    for twin in (pickle.loads(pickle.dumps(water)), copy.deepcopy(water)):
        assert twin == water
        assert hash(twin) == hash(water)
    assert water != ecteam.load("halides")
    assert water != "water"


def test_repr_names_the_potential(water):
    assert repr(water).startswith("<Potential water: H O, cutoff ")


def test_to_dict_is_a_copy(water):
    fields = water.to_dict()
    fields["electronic_temperature"] = 0.5
    changed = ecteam.Potential.from_dict(fields)
    assert changed.sha256 != water.sha256
    assert water.to_dict()["electronic_temperature"] != 0.5


def test_load_passes_a_potential_through(water):
    assert ecteam.load(water) is water


def test_a_changed_file_breaks_the_seal(water, tmp_path):
    fields = water.to_dict()
    fields["electronic_temperature"] += 0.001
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(ecteam.PotentialFormatError, match=r"changed\.json: sha256: .*expected"):
        ecteam.load(path)


def test_errors_name_the_field(water):
    fields = water.to_dict()
    fields["elements"]["O"]["states"][0]["energy"] = 1.5
    with pytest.raises(
        ecteam.PotentialFormatError, match=r"^elements\.O\.states\[0\]\.energy: must be 0"
    ):
        ecteam.Potential.from_dict(fields)
    with pytest.raises(ecteam.PotentialFormatError, match="colour: unknown field"):
        ecteam.Potential.from_dict({**water.to_dict(), "colour": "blue"})


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": NaN}', "[" * 100_000])
def test_text_that_is_no_potential(text):
    with pytest.raises(ecteam.PotentialFormatError):
        ecteam.Potential.from_json(text)


def test_unknown_name_lists_the_shipped_ones():
    with pytest.raises(ecteam.InvalidInputError, match=r"halides, .*water.*got 'watr'"):
        ecteam.load("watr")


def test_binary_file(tmp_path):
    path = tmp_path / "binary.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ecteam.PotentialFormatError, match=r"binary\.json: is not UTF-8"):
        ecteam.load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), whole_file(path) as part:  # noqa: PT012
        part.write_text("half")
        raise RuntimeError("stop")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
