"""The loop: build → train → test → look at the Fisher information → reconfigure → repeat."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ecteam._core import EcteamError, InvalidInputError
from ecteam.design.candidate import (
    Proposal,
    evaluate,
    final,
    load_sets,
    potential_of,
)
from ecteam.design.config import Config
from ecteam.design.moves import Parent, draw
from ecteam.design.pareto import PARENTS, SELECTION, front, knee
from ecteam.design.table import Table
from ecteam.expressions import key_of, leaf_labels, leaves, parse
from ecteam.potential import Potential
from ecteam.reference.runs import collect_runs, run_tasks, write_atomic
from ecteam.terms import Expression

Record = dict[str, Any]

CONFIG, CANDIDATES, FINALISTS, RESULT = "config.json", "candidates", "finalists", "result.json"
POTENTIAL = "recommended.json"
ATTEMPTS = 30
"""Draws for each child before a round is left short."""
MOST_FINALISTS = 12
"""Models of the front that are trained on everything and tested."""


@dataclass
class Outcome:
    """What a run found.

    Attributes
    ----------
    records : list of dict
        Every candidate, in the order of the search.
    failures : dict of str to str
        Reason of each candidate that could not be trained.
    finalists : list of dict
        Models of the front, trained on all training structures, with their test errors.
    recommended : dict
        One of the finalists.
    reason : str
        Why, in words.
    """

    records: list[Record]
    failures: dict[str, str]
    finalists: list[Record]
    recommended: Record
    reason: str


def design(
    config: Config,
    folder: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    progress: bool = True,
) -> Outcome:
    """Run or resume the search, then train and test the models of the front.

    Parameters
    ----------
    config : Config
        Everything the run depends on. With the same one, the same library versions and the same
        number of threads it finds the same models; only measured times differ, and they decide
        nothing but the costs reported.
    folder : path
        Run folder. Finished candidates in it are not trained again.
    executor : concurrent.futures.Executor, optional
        As for reference runs; default: one candidate after another, here.
    progress : bool
        Whether to show the table.

    Raises
    ------
    InvalidInputError
        If the folder holds a run of another configuration, a start formula is wrong, or no
        candidate could be trained.
    KeyboardInterrupt
        On Ctrl-C; finished candidates are kept.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    _claim(path, config)
    text = json.dumps(config.to_dict(), sort_keys=True)
    load_sets(config)  # complains before any work is done
    loop = _Loop(config, text, path, executor)
    with Table(config, progress) as table:
        for generation in range(config.search.generations + 1):
            loop.run_generation(generation, table)
        if not loop.records:
            reasons = "; ".join(list(loop.failures.values())[:3])
            raise InvalidInputError(f"start: no candidate could be trained: {reasons}")
        picked = _picked(loop.records, config.targets)
        tasks = {record["key"]: partial(final, record, text) for record in picked}
        run_tasks(
            tasks, path / FINALISTS, executor=executor, progress=False, on_record=table.finalist
        )
    return _concluded(path, config, loop)


def _claim(path: Path, config: Config) -> None:
    """Write the configuration, or check that it is the one of the run; rounds may be added."""
    file, plain = path / CONFIG, config.to_dict()
    if file.is_file():
        known = json.loads(file.read_text(encoding="utf-8"))
        for name in plain:
            old, new = known.get(name), plain[name]
            if name == "search":
                old, new = ({**x, "generations": 0} for x in (old, new))
            if old != new:
                raise InvalidInputError(
                    f"{path}: holds a run with another {name}: {old!r} is now {new!r}; "
                    "choose another folder"
                )
    write_atomic(file, json.dumps(plain, indent=1).encode())


class _Loop:
    """State of the search: all of it follows from configuration and records."""

    def __init__(self, config: Config, text: str, path: Path, executor: Executor | None) -> None:
        self.config, self.text, self.path, self.executor = config, text, path, executor
        self.records: list[Record] = []
        self.failures: dict[str, str] = {}
        self.seen: set[str] = set()

    def run_generation(self, generation: int, table: Table) -> None:
        """Propose, train and collect one round."""
        proposals = self.first() if generation == 0 else self.children(generation)
        names = {name_of(proposal): proposal for proposal in proposals}
        table.start(generation, len(names))
        tasks = {name: partial(evaluate, proposal, self.text) for name, proposal in names.items()}
        folder = self.path / CANDIDATES
        run_tasks(tasks, folder, executor=self.executor, progress=False, on_record=table.candidate)
        results, failures = collect_runs(folder)
        # In the order of the proposals, not of their end: what follows depends on it.
        self.records += [results[name] for name in names if name in results]
        self.failures |= {name: failures[name] for name in names if name in failures}
        table.finish(self.records)

    def first(self) -> list[Proposal]:
        """Give the formulas of the configuration."""
        proposals = []
        for formula in self.config.start:
            expression = parse(formula)
            if key_of(expression) not in self.seen:
                self.seen.add(key_of(expression))
                proposals.append(Proposal(repr(expression)))
        return proposals

    def children(self, generation: int) -> list[Proposal]:
        """Draw parents from the front and moves from the palette."""
        random = np.random.default_rng([self.config.seed, generation])
        search = self.config.search
        proposals: list[Proposal] = []
        eligible = [r for r in self.records if r["parameters"] <= search.most_parameters]
        fronts = [[eligible[k] for k in front(eligible, names)] for names in PARENTS]
        for attempt in range(ATTEMPTS * search.children if eligible else 0):
            if len(proposals) == search.children:
                break
            parents = fronts[attempt % len(fronts)]
            parent = parents[int(random.integers(len(parents)))]
            proposal = self.child(parent, generation, random)
            if proposal is not None:
                proposals.append(proposal)
        return proposals

    def child(
        self, record: Record, generation: int, random: np.random.Generator
    ) -> Proposal | None:
        """Apply one move; None if the result is known or of the wrong size."""
        expression = parse(record["formula"])
        parent = Parent(expression, record["sloppiness"])
        drawn = draw(parent, self.config.palette, random, self.config.search.moves)
        if drawn is None:
            return None
        move, child = drawn
        if key_of(child) in self.seen:
            return None
        try:
            size = len(potential_of(child, self.config).parameters)
        except EcteamError:
            return None  # beyond the limits of the engine
        search = self.config.search
        if not search.least_parameters <= size <= search.most_parameters:
            return None
        self.seen.add(key_of(child))
        start = inherited(expression, child, record["values"])
        return Proposal(repr(child), record["key"], move, generation, start)


def name_of(proposal: Proposal) -> str:
    """Name of a candidate's record."""
    return f"{proposal.generation:03d}-{key_of(parse(proposal.formula))}"


def inherited(
    parent: Expression, child: Expression, values: Mapping[str, float]
) -> dict[str, float]:
    """Values for a child's parameters from the leaves it shares with its parent.

    A leaf takes the values of the first equal leaf of the parent that is not yet taken, else of
    the first one of its kind.
    """
    own = list(zip(leaf_labels(parent), leaves(parent), strict=True))
    found: dict[str, float] = {}
    for exact in (True, False):
        for label, leaf in zip(leaf_labels(child), leaves(child), strict=True):
            if any(name.startswith(f"{label}[") for name in found):
                continue
            for old, (source, other) in enumerate(own):
                alike = leaf == other if exact else leaf.kind == other.kind
                if alike:
                    found |= {
                        label + name[len(source) :]: value
                        for name, value in values.items()
                        if name.startswith(f"{source}[")
                    }
                    del own[old]
                    break
    return found


def _picked(records: list[Record], targets: Mapping[str, float]) -> list[Record]:
    """Finalists: the recommended one, the flat front thinned evenly, and the first candidates."""
    flat = [records[k] for k in front(records, SELECTION)]
    best = knee(records, dict(targets))
    step = max(1, -(-len(flat) // MOST_FINALISTS))
    picked = [records[best[0]]] if best else []
    picked += flat[::step] + [record for record in records if record["generation"] == 0]
    return list({record["key"]: record for record in picked}.values())


def _concluded(path: Path, config: Config, loop: _Loop) -> Outcome:
    results, failures = collect_runs(path / FINALISTS)
    finalists = [results[r["key"]] for r in loop.records if r["key"] in results]
    best = knee(finalists, dict(config.targets))
    if best is None:
        raise InvalidInputError(f"{path}: no finalist could be trained: {failures}")
    outcome = Outcome(
        loop.records, loop.failures | failures, finalists, finalists[best[0]], best[1]
    )
    content = {
        "recommended": outcome.recommended,
        "reason": outcome.reason,
        "front": [loop.records[k]["key"] for k in front(loop.records)],
        "candidates": len(loop.records),
        "failures": outcome.failures,
    }
    write_atomic(path / RESULT, json.dumps(content, indent=1).encode())
    recommended_potential(outcome.recommended, config).save(path / POTENTIAL)
    return outcome


def recommended_potential(record: Record, config: Config) -> Potential:
    """Potential of a finalist, with its errors on training and test set."""
    model = potential_of(parse(record["formula"]), config)
    fields = model.with_parameters(list(record["values"].values())).to_dict()
    errors = {"train": record["training"], "held-out": record["test"]}
    fields["fit"] = {
        "method": f"ecteam {version('ecteam')}: variable projection; expression found by design",
        "data": ", ".join(Path(file).name for file in config.data.train),
        "parameters": record["parameters"],
        "errors": [
            {
                "group": "all",
                "split": split,
                "geometries": record["geometries"][split],
                **{name: errors[split].get(name, 0.0) for name in ("energy", "force")},
            }
            for split in errors
        ],
    }
    return Potential.from_dict(fields)


@contextmanager
def workers(count: int) -> Iterator[Executor | None]:
    """Pool of processes that share the processors; None for a single one.

    Processes are spawned, not forked: the engine's threads do not survive a fork.
    """
    if count <= 1:
        yield None
        return
    share = str(max(1, (os.cpu_count() or 1) // count))
    names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, share))
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
