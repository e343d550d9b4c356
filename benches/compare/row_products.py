"""Work of the minimisation of the weights: Hessian products, and its share of a step.

Nothing else does this: the targets are numbers, not other programs. Steps are those of `row_water`;
cold starts are disordered water, and rock salt whose ions are displaced by 0.35 and 0.6 Å.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from row_water import TIMESTEP, TOLERANCE, WARM_UP
from timing import Contender, Limit, Row

SIZES = {"3k": (3_000, 20), "24k": (24_000, 8)}  # atoms, steps
MODES = {"converged": (False, 6.0, 60.0), "shadow": (True, 2.0, 30.0)}  # products, share in %
COLD = {
    "water 24k": ("water-unpolarised", "water", 8_000),
    "NaCl 8k, 0.35 Å": ("halides", "salt", 0.35),
    "NaCl 8k, 0.6 Å": ("halides", "salt", 0.6),
}
MOST = 60.0


def rows(quick: bool) -> Iterator[Row]:
    """Products and share of a step for each size, then cold starts."""
    for title, (atoms, steps) in list(SIZES.items())[: 1 if quick else None]:
        own = {"atoms": atoms, "steps": steps}
        for what, unit, column in (("products", "products a step", 0), ("share", "% of a step", 1)):
            contenders = tuple(
                Contender(
                    mode,
                    "row_products:dynamics",
                    {**own, "shadow": shadow, "what": what},
                    ours=True,
                    rounds=1,
                )
                for mode, (shadow, *_) in MODES.items()
            )
            limits = tuple(Limit(mode, most[column]) for mode, (_, *most) in MODES.items())
            yield Row(f"Minimisation of weights, water {title}", unit, 1.0, contenders, limits)
    cold = [
        Contender(name, "row_products:cold", {"case": name}, ours=True, rounds=1) for name in COLD
    ]
    chosen = tuple(cold[1:2] if quick else cold)
    limits = tuple(Limit(one.name, MOST) for one in chosen)
    yield Row("Cold starts", "products", 1.0, chosen, limits)


def dynamics(atoms: int, steps: int, shadow: bool, what: str) -> Callable[[], float]:
    """Mean over steps after the warm-up."""
    from ecteam import load
    from ecteam.benchmark import Dynamics, water

    run = Dynamics(
        water(atoms // 3), load("water-unpolarised"), TIMESTEP, tolerance=TOLERANCE, shadow=shadow
    )
    for _ in range(WARM_UP):
        run.step()

    def one() -> float:
        seconds = run.step()
        if what == "products":
            return float(run.evaluation.hessian_products)
        parts = dict(run.evaluation.timings)
        return 100.0 * (parts["weights"] + parts["weights_long_range"]) / seconds

    return lambda: sum(one() for _ in range(steps)) / steps


def cold(case: str) -> Callable[[], float]:
    """Evaluate from nothing to the tolerance of dynamics."""
    import numpy as np
    import systems
    from ase.build import bulk
    from ecteam import evaluate

    potential, kind, size = COLD[case]
    if kind == "water":
        atoms = systems.water_like(size)
    else:
        atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(10)
        atoms.positions += np.random.default_rng(0).normal(0.0, size, atoms.positions.shape)
    return lambda: float(evaluate(atoms, potential, tolerance=TOLERANCE).hessian_products)
