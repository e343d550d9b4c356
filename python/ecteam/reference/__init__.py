"""Reference data from first principles: atomic states, molecules and data sets."""

from ecteam.reference.runs import RunReport, collect_runs, run_tasks

__all__ = ["RunReport", "collect_runs", "run_tasks"]
