"""Run a fit in a folder: a checkpoint after every step, the best potential always written."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ecteam._core import EcteamError, InvalidInputError
from ecteam.fisher import Fisher
from ecteam.fit.config import SIDES, FitConfig, Side
from ecteam.fit.labels import Labels
from ecteam.fit.model import FloatArray
from ecteam.fit.monitor import Monitor
from ecteam.fit.problem import Problem, problem_of
from ecteam.fit.sweep import Errors, loss_of, predicted
from ecteam.fit.training import State, Step, Trained, train
from ecteam.parameters import Selection
from ecteam.potential import Potential
from ecteam.reference.runs import write_atomic

Record = dict[str, Any]

CHECKPOINT, POTENTIAL = "checkpoint.json", "potential.json"
FORMAT = "ecteam-fit/1"


@dataclass(frozen=True)
class Part:
    """One side of the data beside what a potential says about it.

    Attributes
    ----------
    labels : Labels
    rows : sequence of (10 + 4N,) float64
        Predictions for each structure; NaN where the weights did not converge.
    errors : Errors
    loss : float
        Mean square of residual over scale; NaN without labels.
    """

    labels: Labels
    rows: Sequence[FloatArray]
    errors: Errors
    loss: float


@dataclass(frozen=True)
class Outcome:
    """What a fit found.

    Attributes
    ----------
    problem : Problem
        What was fitted.
    trained : Trained
        The parameters, how well they are determined, and whether the fit had converged.
    history : list of dict
        One record for every step tried.
    before, after : dict of str to Part
        The sides of the data at the start and at the end.
    potential : Potential
        The fitted one, with its errors.
    """

    problem: Problem
    trained: Trained[Selection]
    history: list[Record]
    before: dict[Side, Part]
    after: dict[Side, Part]
    potential: Potential

    @property
    def information(self) -> Fisher:
        """Fisher information of the parameters on the training data, with the prior."""
        trained = self.trained
        names = tuple(trained.model.parameter_names)
        return Fisher(names, trained.model.parameters, trained.factor, trained.precision)

    def data(self) -> Record:
        """Everything as plain numbers, for JSON."""
        errors = {
            when: {side: part.errors.rmse() for side, part in parts.items()}
            for when, parts in (("before", self.before), ("after", self.after))
        }
        model = self.trained.model
        return {
            "converged": self.trained.converged,
            "steps": len(self.history),
            "structures": {side: len(part.labels) for side, part in self.after.items()},
            "rmse": errors,
            "rejected": {side: part.errors.rejected for side, part in self.after.items()},
            "parameters": dict(zip(model.parameter_names, model.parameters.tolist(), strict=True)),
            "fisher": self.information.data(),
            "sha256": self.potential.sha256,
        }


def fit(
    config: FitConfig, folder: str | Path, *, resume: bool = False, progress: bool = True
) -> Outcome:
    """Fit a potential; the folder holds the best one from the first moment on.

    Parameters
    ----------
    config : FitConfig
        Everything the fit depends on.
    folder : path
        Made if missing. ``potential.json`` and ``checkpoint.json`` are written after every step,
        whole or not at all.
    resume : bool
        Go on from the checkpoint, with the same bits as if there had been no interruption. The
        number of iterations and the tolerance may have changed, nothing else.
    progress : bool
        Whether to show the steps on stderr.

    Raises
    ------
    InvalidInputError
        If the folder holds a fit and `resume` is not asked for, or holds none or another one and
        it is, and as :func:`ecteam.fit.problem.problem_of`.
    NotFiniteError
        If the model overflows where the fit starts.
    KeyboardInterrupt
        On Ctrl-C; the potential and the checkpoint are those of the last step.
    """
    path = Path(folder)
    problem = problem_of(config)
    run = _Run(problem, path, progress)
    state = run.state() if resume else None
    if state is None:
        run.claim()
    with run.monitor(state) as run.watch:
        trained = train(
            problem.model,
            problem.sides["train"],
            config.scales,
            config.optimiser,
            prior=problem.prior,
            report=run.report,
            resume=state,
        )
    return run.concluded(trained)


class _Run:
    """The files of a fit and its history."""

    watch: Monitor

    def __init__(self, problem: Problem, path: Path, visible: bool) -> None:
        self.problem, self.path, self.visible = problem, path, visible
        self.digest = problem.digest()
        self.history: list[Record] = []
        train_set, scales = problem.sides["train"], problem.config.scales
        weights = [
            scales.row_weights(a, g)
            for a, g in zip(train_set.structures, train_set.groups, strict=True)
        ]
        self.labels = sum(
            int((np.isfinite(target) & (own > 0.0)).sum())
            for target, own in zip(train_set.targets, weights, strict=True)
        )

    def claim(self) -> None:
        """Take an empty folder and put the start there."""
        if (self.path / CHECKPOINT).exists():
            raise InvalidInputError(
                f"{self.path}: holds a fit; --resume goes on with it, --restart discards it"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        self.problem.model.potential.save(self.path / POTENTIAL)

    def state(self) -> State:
        """Read the checkpoint."""
        file = self.path / CHECKPOINT
        if not file.is_file():
            raise InvalidInputError(f"{self.path}: holds no fit to resume (no {CHECKPOINT})")
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            digest, self.history = found["digest"], found["history"]
            state = _state_of(found["state"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(f"{file}: is no checkpoint: {error}") from None
        if digest != self.digest:
            raise InvalidInputError(
                f"{file}: is of another fit: data, split, scales, start, parameters, bounds or "
                "prior have changed; --restart begins anew"
            )
        return state

    def monitor(self, state: State | None) -> Monitor:
        """Make the display."""
        total = self.problem.config.optimiser.iterations
        return Monitor(total, 0 if state is None else state.iterations, self.visible)

    def report(self, step: Step[Selection]) -> None:
        """Record a step: history, checkpoint, potential, display."""
        record = {
            "iteration": step.state.iterations,
            "loss": step.cost / self.labels,
            "validation": self.validation(step.model),
            "gain": step.gain if math.isfinite(step.gain) else None,
            "accepted": step.accepted,
            "damping": step.state.damping,
            "rejected": list(step.rejected),
        }
        self.history.append(record)
        content = {
            "format": FORMAT,
            "digest": self.digest,
            "state": _fields_of(step.state),
            "history": self.history,
        }
        step.model.potential.save(self.path / POTENTIAL)
        write_atomic(self.path / CHECKPOINT, json.dumps(content).encode())
        self.watch.show(record)

    def validation(self, model: Selection) -> float | None:
        """Loss of what is watched; None if there is none, or the model fails there."""
        labels = self.problem.sides["validation"]
        try:
            loss = loss_of(predicted(model, labels), labels, self.problem.config.scales)
        except EcteamError:
            return None
        return loss if math.isfinite(loss) else None

    def concluded(self, trained: Trained[Selection]) -> Outcome:
        """Compare the fitted potential with all data and write it with its errors."""
        before, after = self.parts(self.problem.model), self.parts(trained.model)
        potential = with_card(trained.model.potential, self.problem, after, trained)
        potential.save(self.path / POTENTIAL)
        return Outcome(self.problem, trained, self.history, before, after, potential)

    def parts(self, model: Selection) -> dict[Side, Part]:
        """Compare a model with every side."""
        found: dict[Side, Part] = {}
        for side in SIDES:
            labels, errors = self.problem.sides[side], Errors()
            rows = predicted(model, labels, errors)
            for atoms, target, group, own in zip(
                labels.structures, labels.targets, labels.groups, rows, strict=True
            ):
                errors.add(group, atoms, target - own)
            loss = loss_of(rows, labels, self.problem.config.scales)
            found[side] = Part(labels, rows, errors, loss)
        return found


def _fields_of(state: State) -> Record:
    """Plain numbers; the text of a float has all its bits."""
    arrays = {"parameters": state.parameters.tolist(), "precision": state.precision.tolist()}
    return asdict(state) | arrays


def _state_of(fields: Record) -> State:
    parameters, precision = (np.array(fields[k], dtype=float) for k in ("parameters", "precision"))
    return replace(State(**fields), parameters=parameters, precision=precision)


def with_card(
    potential: Potential, problem: Problem, parts: dict[Side, Part], trained: Trained[Selection]
) -> Potential:
    """Potential with the story of its fit and its errors, as ``ecteam show`` prints them."""
    fields = potential.to_dict()
    labels = [part.labels for part in parts.values()]
    levels = {str(a.info["level"]) for p in labels for a in p.structures if "level" in a.info}
    sources = [Path(source.file).name for source in problem.config.data]
    errors = [
        row
        for side, name in (("train", "train"), ("test", "held-out"))
        for row in _card_rows(parts[side], name)  # type: ignore[index]
    ]
    fields["fit"] = {
        "method": "variable projection and Levenberg-Marquardt with exact derivatives, "
        f"ecteam {version('ecteam')}" + ("" if trained.converged else "; not converged"),
        "data": "; ".join(
            [f"{sum(map(len, labels))} geometries", ", ".join(sorted(levels)), ", ".join(sources)]
        ),
        "parameters": len(trained.model.parameters),
        "errors": errors,
    }
    return Potential.from_dict(fields)


def _card_rows(part: Part, split: str) -> list[Record]:
    """Errors of the groups that have energies and forces, as in a potential file."""
    rows = []
    for group in sorted(set(part.labels.groups)):
        sums = {name: s for (own, name), s in part.errors.sums.items() if own == group}
        if not {"energy", "force"} <= sums.keys():
            continue
        names = [name for name in ("energy", "force", "dipole") if name in sums]
        row: Record = {"group": group, "split": split}
        row["geometries"] = list(part.labels.groups).count(group)
        rows.append(row | {name: float(f"{sums[name].rmse:.4g}") for name in names})
    return rows
