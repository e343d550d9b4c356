"""Design loop: configuration, moves, search, resumption, report, command line."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from ase.io import write
from ecteam import InvalidInputError, Potential, load
from ecteam.cli import app
from ecteam.design import config_of, design, read_config, write_report
from ecteam.design.candidate import potential_of
from ecteam.design.moves import MOVES
from ecteam.design.pareto import SELECTION, front, knee
from ecteam.design.search import inherited
from ecteam.expressions import (
    parse,
)
from ecteam.fisher import fisher
from ecteam.fit import errors_of, labels_of, read_labels, train
from ecteam.terms import Pair, ThreeBody
from toy_model import crystals, labelled
from typer.testing import CliRunner

LINEAR = "Constant() + Pair(4, cutoff=4.5)"
CURVED = "Constant() + Pair(3, cutoff=4.5) + NeighbourExponential(2, cutoff=4.5, family='slater')"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    noise = (1e-3, 0.02, 1e-3)
    write(folder / "train.extxyz", labelled(crystals(10, size=1), noise=noise))
    write(folder / "test.extxyz", labelled(crystals(4, seed=7, size=1), noise=noise))
    return folder


def plain(files, **changes):
    return {
        "elements": ["Nb"],
        "start": [LINEAR, CURVED],
        "data": {
            "train": [str(files / "train.extxyz")],
            "test": [str(files / "test.extxyz")],
            "folds": 3,
        },
        "search": {"generations": 2, "children": 4, "most_parameters": 12},
        "palette": {"cutoffs": [3.8, 4.5], "most_functions": 6},
        "training": {"iterations": 6, "tolerance": 1e-3},
        **changes,
    }


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "a"
    return folder, design(config_of(plain(files)), folder, progress=False)


def stable(records):
    """Return records without what a clock measured."""
    clocked = ("seconds", "cost")
    return [{k: v for k, v in record.items() if k not in clocked} for record in records]


def record(key, error, parameters, condition=1e4, cost=1.0, **more):
    return {
        "key": key,
        "error": error,
        "parameters": parameters,
        "condition": condition,
        "cost": cost,
        "validation": {"force": error},
        **more,
    }


def test_front_and_knee():
    records = [
        record("a", 4.0, 2),
        record("b", 1.0, 8),
        record("c", 0.9, 60),
        record("d", 1.1, 9),
        record("e", 1.0, 8),
        record("f", float("inf"), 1),
    ]
    assert front(records, SELECTION) == [2, 1, 0]
    index, reason = knee(records)
    assert index == 1
    assert "knee" in reason
    assert "2 to 8 parameters the error falls by 75%" in reason
    records.append(record("g", 1.01, 8, condition=1e2))
    index, reason = knee(records)
    assert records[index]["key"] == "g"
    assert "100 times smaller" in reason
    index, reason = knee(records, {"force": 0.95, "parameters": 70})
    assert records[index]["key"] == "c"
    assert "meet the targets" in reason
    assert knee(records, {"force": 0.1})[0] == 6
    assert knee([]) is None
    assert 6 in front(records)


def test_values_are_inherited_by_equal_leaves():
    a, b = Pair(2), Pair(3, family="bessel")
    values = {"pair1[Nb-Nb 0]": 1.0, "pair1[Nb-Nb 1]": 2.0, "pair2[Nb-Nb 0]": 3.0}
    found = inherited(a + b, b + ThreeBody(1, 1) + a, values)
    assert found == {"pair2[Nb-Nb 0]": 1.0, "pair2[Nb-Nb 1]": 2.0, "pair1[Nb-Nb 0]": 3.0}
    grown = inherited(a, Pair(4), values)
    assert grown["pair1[Nb-Nb 1]"] == 2.0


def test_search_improves_on_the_start_and_logs_everything(run):
    folder, outcome = run
    assert len(outcome.records) + len(outcome.failures) >= 6
    start = [record for record in outcome.records if record["generation"] == 0]
    assert min(r["error"] for r in outcome.records) <= min(r["error"] for r in start)
    for found in outcome.records:
        assert found["parameters"] == len(found["values"]) <= 12
        assert len(found["fisher"]["eigenvalues"]) == found["parameters"]
        assert set(found["validation"]) == {"energy", "force", "stress"}
        assert found["cost"] > 0.0
        if found["generation"]:
            assert found["move"] in MOVES
            assert found["parent"] in {other["key"] for other in outcome.records}
    assert outcome.recommended["key"] in {r["key"] for r in outcome.finalists}
    assert set(outcome.recommended["test"]) == {"energy", "force", "stress"}
    assert len(list((folder / "candidates").glob("*.json"))) >= len(outcome.records)


def test_the_recommended_potential_is_saved(run, files):
    folder, outcome = run
    potential = load(folder / "recommended.json")
    best = outcome.recommended
    assert dict(zip(potential.parameter_names, potential.parameters, strict=True)) == best["values"]
    found = errors_of(potential, read_labels(files / "test.extxyz")).rmse()
    assert found == pytest.approx(best["test"], rel=1e-6)
    assert [row["split"] for row in potential.to_dict()["fit"]["errors"]] == ["train", "held-out"]


def test_a_base_is_corrected(files, run):
    outcome = run[1]
    terms = load(run[0] / "recommended.json").to_dict()
    terms.pop("fit")
    base = Potential.from_dict({key: value for key, value in terms.items() if key != "terms"})
    base.save(files / "base.json")
    config = config_of(plain(files, base=str(files / "base.json")))
    found = potential_of(parse(outcome.recommended["formula"]), config)
    assert len(found.parameters) == outcome.recommended["parameters"]
    for wrong in ("water-unpolarised", str(run[0] / "recommended.json")):
        with pytest.raises(InvalidInputError, match="base: must be a potential of Nb without"):
            potential_of(parse(LINEAR), config_of(plain(files, base=wrong)))


def test_validation_is_that_of_models_trained_without_the_fold(files):
    from ecteam.design.candidate import cross_validation
    from ecteam.fit import Errors, Settings
    from ecteam.fit.labels import folds_of
    from ecteam.fit.sweep import sweep

    config = config_of(plain(files, scales={"emphasis": {"hot": 2.0}}))
    labels = read_labels(*config.data.train)
    model = parse(LINEAR).potential(["Nb"])
    trained = train(model, labels, config.scales, Settings(ridge=0.0))
    folds = folds_of(labels, 3)
    found = sweep(trained.model, labels, config.scales, folds)
    quick = cross_validation(found, trained.precision, trained.model.parameters, config)
    errors = Errors()
    for fold in range(3):
        rest = labels[[k for k, f in enumerate(folds) if f != fold]]
        left_out = labels[[k for k, f in enumerate(folds) if f == fold]]
        own = train(model, rest, config.scales, Settings(ridge=0.0)).model
        for key, part in errors_of(own, left_out).sums.items():
            total = errors.sums.setdefault(key, part)
            if total is not part:
                total.count += part.count
                total.squares += part.squares
    assert quick == pytest.approx(errors.rmse(), rel=1e-6)


def test_same_seed_same_models_in_any_executor(files, run, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        again = design(config_of(plain(files)), tmp_path / "b", executor=pool, progress=False)
    assert stable(again.records) == stable(run[1].records)
    other = design(config_of(plain(files, seed=1)), tmp_path / "c", progress=False)
    assert [r["key"] for r in other.records] != [r["key"] for r in again.records]


def test_a_stopped_run_resumes(files, run, tmp_path, monkeypatch):
    from ecteam.design import search

    trained = []

    def evaluate(proposal, *arguments):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(proposal.formula)
        return original(proposal, *arguments)

    original = search.evaluate
    monkeypatch.setattr(search, "evaluate", evaluate)
    config = config_of(plain(files))
    with pytest.raises(KeyboardInterrupt):
        design(config, tmp_path / "d", progress=False)
    assert len(list((tmp_path / "d" / "candidates").glob("*.json"))) == 3
    trained.extend(["more"])
    outcome = design(config, tmp_path / "d", progress=False)
    assert len(trained) - 4 == len(outcome.records) + len(outcome.failures) - 3
    assert stable(outcome.records) == stable(run[1].records)
    with pytest.raises(InvalidInputError, match="another seed: 0 is now 5"):
        design(config_of(plain(files, seed=5)), tmp_path / "d", progress=False)


def test_report(run):
    path = write_report(run[0])
    text = path.read_text(encoding="utf-8")
    assert run[1].recommended["formula"] in text
    for words in ("## Recommended", "## Finalists", "## What each move gained", "µs"):
        assert words in text
    for name in ("pareto", "spectra", "moves"):
        assert f"{name}.png" in text
        assert (run[0] / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_needs_a_finished_run(tmp_path):
    with pytest.raises(InvalidInputError, match="holds no finished design run"):
        write_report(tmp_path)


def test_command_line(files, tmp_path):
    small = plain(files)
    small["search"]["generations"] = 1
    small["data"] = {"train": ["train.extxyz"], "test": ["test.extxyz"], "folds": 2}
    path = files / "small.json"
    path.write_text(json.dumps(small))
    outcome = CliRunner().invoke(app, ["design", str(path), "-o", str(tmp_path / "e"), "--json"])
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["recommended"]["parameters"] <= 12
    outcome = CliRunner().invoke(app, ["design", "report", str(tmp_path / "e")])
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout.strip().endswith("report.md")
    outcome = CliRunner().invoke(app, ["design", str(path), "-o", str(tmp_path / "e")])
    assert "recommended:" in outcome.stdout
    outcome = CliRunner().invoke(app, ["design", str(tmp_path / "none.toml")])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("error: ")


def test_toml_and_json_say_the_same(files, tmp_path):
    content = plain(files, scales={"force": 0.2, "emphasis": {"hot": {"energy": 3.0}}})
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "a.toml").write_text(
        f"""
        elements = ["Nb"]
        start = ["{LINEAR}", "{CURVED}"]
        [data]
        train = ["{files / "train.extxyz"}"]
        test = ["{files / "test.extxyz"}"]
        folds = 3
        [search]
        generations = 2
        children = 4
        most_parameters = 12
        [palette]
        cutoffs = [3.8, 4.5]
        most_functions = 6
        [training]
        iterations = 6
        tolerance = 1e-3
        [scales]
        force = 0.2
        emphasis = {{hot = {{energy = 3.0}}}}
        """
    )
    assert read_config(tmp_path / "a.json") == read_config(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"elements": "Nb"}, "elements: must be a list, got 'Nb'"),
        ({"elements": []}, r"elements: must not be empty, got \[\]"),
        ({"start": ["Nope(3)"]}, "formula"),
        ({"seeds": 3}, "seeds: unknown; known are elements"),
        ({"seed": 1.5}, "seed: must be a whole number, got 1.5"),
        ({"data": {"folds": 3}}, "data.train: missing"),
        ({"data": {"train": ["no.xyz"], "folds": 1}}, "data.folds: must be at least 2, got 1"),
        ({"data": {"train": ["no.xyz"]}}, "no.xyz: no such file"),
        ({"search": {"moves": {"jump": 1.0}}}, "search.moves.jump: must be one of add"),
        ({"search": {"moves": {"add": -1.0}}}, "search.moves.add: must be at least 0, got -1"),
        ({"scales": {"energy": -1}}, "scales.energy: must be positive"),
        ({"training": {"relevance": 3}}, "training.relevance: must be true or false"),
        ({"targets": {"mass": 1}}, "targets.mass: must be one of energy"),
        ({"palette": []}, "palette: must be a table"),
    ],
)
def test_bad_configurations_name_the_field(files, tmp_path, changes, message):
    with pytest.raises(InvalidInputError, match=message):
        design(config_of(plain(files, **changes)), tmp_path / "f", progress=False)


def test_a_geometry_in_both_sets_is_refused(files, tmp_path):
    both = plain(files)
    both["data"]["test"] = both["data"]["train"]
    with pytest.raises(InvalidInputError, match="10 pairs of structures are the same geometry"):
        design(config_of(both), tmp_path / "g", progress=False)


def test_terms_can_be_trained_and_judged():
    """A potential of terms serves as a model: training, Fisher information, uncertainty."""
    labels = labels_of(labelled(crystals(6, size=1)))
    model = parse(CURVED).potential(["Nb"])
    trained = train(model, labels)
    assert trained.cost < train(parse(LINEAR).potential(["Nb"]), labels).cost
    found = fisher(trained.model, labels)
    assert len(found.eigenvalues) == len(model.parameters)
    low, high = found.interval(trained.model, labels.structures[:1])
    assert (high >= low).all()
