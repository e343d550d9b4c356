"""Tables of the shipped potentials beside other methods: never stale, and made by the script."""

import importlib
import json
import math
import sys
from pathlib import Path

import ecteam
import pytest
from ase import Atoms
from ase.build import bulk
from ecteam.cli import app
from ecteam.peers import cell, peers_of, read_peers, targets_met, within
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
NAMES = ("water", "water-unpolarised", "halides", "oxides", "copper")
PEERS = {
    "water": {"ReaxFF", "TIP4P"},
    "water-unpolarised": {"ReaxFF", "TIP4P"},
    "halides": {"Fumi–Tosi", "EIM"},
    "oxides": {"Lewis–Catlow"},
    "copper": {"EAM", "EMT"},
}
ROW = {
    "name": "bond",
    "unit": "Å",
    "reference": 2.0,
    "source": "a book",
    "target": 0.1,
    "digits": 2,
    "values": {"good": 2.05, "bad": 2.3},
    "failed": {"broken": "no minimum"},
    "missing": {"blind": "no charges"},
}


@pytest.fixture
def study(monkeypatch):
    """Give what imports a module of the script."""
    monkeypatch.syspath_prepend(str(ROOT / "benches" / "studies"))
    yield lambda name: importlib.import_module(f"peers.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] == "peers"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_that_of_the_shipped_potential(name):
    """Otherwise: python benches/studies/peers NAME --write."""
    assert read_peers()[name]["sha256"] == ecteam.load(name).sha256


def test_every_potential_with_states_has_a_table():
    assert set(ecteam.available()) - {"niobium"} == set(NAMES) == set(read_peers())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_out(name):
    """Potential, construction, tight binding and peers; a value or a reason in every cell."""
    table = read_peers()[name]
    assert set(table["methods"]) == {name, "not fitted", "GFN2-xTB"} | PEERS[name]
    assert "absent" not in table["versions"].values()
    assert table["absent"]
    for row in table["rows"]:
        told = [*row["values"], *row["failed"], *row["missing"]]
        assert sorted(told) == sorted(table["methods"]), row["name"]
        assert all(math.isfinite(value) for value in row["values"].values())
        assert row["source"]
        assert all(row["failed"].values())
        assert all(row["missing"].values())


@pytest.mark.parametrize("name", NAMES)
def test_cards_show_the_table(name):
    table = read_peers()[name]
    shown = CliRunner().invoke(app, ["show", name], env={"COLUMNS": "400"}).output
    for words in (*table["methods"], table["command"], table["sha256"], table["rows"][0]["source"]):
        assert words in shown


def test_a_changed_potential_has_no_table():
    assert peers_of("water", "0" * 64) is None
    assert peers_of("mine", ecteam.load("water").sha256) is None


def test_verdicts():
    table = {"rows": [ROW, {**ROW, "target": None}]}
    verdicts = {"good": True, "bad": False, "broken": False, "blind": None}
    assert {name: within(ROW, name) for name in verdicts} == verdicts
    assert [cell(ROW, name) for name in verdicts] == ["2.05", "2.30 *", "none *", "–"]
    assert within({**ROW, "target": None}, "good") is None
    assert [targets_met(table, name) for name in verdicts] == [(1, 1), (0, 1), (0, 1), (0, 0)]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("halides", ("LiF bond", "LiF dipole", "KCl dissociation", "NaCl lattice constant")),
        ("oxides", ("MgO bond", "MgO dissociation", "rock salt cohesive energy")),
        ("copper", ("Cu2 bond", "fcc lattice constant")),
        ("water", ("r(OH)", "binding (H2O)3", "H3O+ + OH- → 2 H2O releases")),
    ],
)
def test_the_script_gives_the_shipped_numbers(study, name, rows):
    """For all methods that need no other program."""
    table, module = read_peers()[name], study(name)
    named = ("water",) if name == "water" else ()
    options = (*named, (), *((None,) if name == "copper" else ()))
    own = {"GFN2-xTB", "EIM", "ReaxFF", "EAM"}
    methods = {k: m for k, m in module.methods(*options).items() if k not in own}
    computed = {one.name: one for one in module.observables(*named)}
    shipped = {row["name"]: row for row in table["rows"]}
    assert list(computed) == list(shipped)
    for row in rows:
        found = computed[row].row(methods)
        assert found["reference"] == pytest.approx(shipped[row]["reference"], abs=1e-6)
        for method in (name, "not fitted", *PEERS[name] - own):
            wanted = shipped[row]["values"].get(method)
            tolerance = {"abs": 2e-3, "rel": 1e-4}
            assert found["values"].get(method) == (wanted and pytest.approx(wanted, **tolerance))


def test_the_readme_has_the_extract(study):
    """Otherwise: python benches/studies/peers NAME --write."""
    readme, text = study("readme"), (ROOT / "README.md").read_text(encoding="utf-8")
    between = text.split(readme.BEGIN)[1].split(readme.END)[0]
    assert between.strip() == readme.extract(read_peers())


def test_writing_keeps_other_tables_and_order(study, tmp_path):
    path, script = tmp_path / "peers.json", study("__main__")
    script.write({"copper": {"title": "old"}, "oxides": {"title": "kept"}}, path)
    script.write({"copper": {"title": "new"}, "water": {"title": "first"}}, path)
    assert list(json.loads(path.read_text(encoding="utf-8")).items()) == [
        ("water", {"title": "first"}),
        ("oxides", {"title": "kept"}),
        ("copper", {"title": "new"}),
    ]


def test_rigid_ions_have_the_energy_of_the_engine(study):
    """Madelung energy beside an Ewald sum; a molecule beside Coulomb's law."""
    ions, atoms = study("rigid_ions"), bulk("MgO", "rocksalt", a=4.21)
    atoms.calc = ions.RigidIons({"Mg": 2, "O": -2}, lambda pair, r: 0.0 * r)
    charges = [2.0 if symbol == "Mg" else -2.0 for symbol in atoms.symbols]
    library = {symbol: ecteam.states(symbol) for symbol in ("Mg", "O")}
    ionic = library["Mg"]["dication"].energy + library["O"]["dianion"].energy
    ewald = ecteam.PointCharges("ewald", accuracy=1e-9).evaluate(atoms, charges).energy
    assert atoms.get_potential_energy() == pytest.approx(ionic + ewald, abs=1e-4)
    pair = Atoms("MgO", positions=[[0, 0, 0], [0, 0, 2.0]])
    pair.calc = atoms.calc
    wanted = ionic - 4.0 * 14.399645 / 2.0
    assert pair.get_potential_energy() == pytest.approx(wanted, abs=1e-4)
