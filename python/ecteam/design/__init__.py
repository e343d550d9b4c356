"""Design of small potentials by Fisher information: search over expressions of learned terms.

The loop follows W. Wang et al., arXiv:2504.19372; moves, scores and selection are defined here.
"""

from ecteam.design.config import Config, config_of, read_config
from ecteam.design.report import write_report
from ecteam.design.search import Outcome, design, workers

__all__ = ["Config", "Outcome", "config_of", "design", "read_config", "workers", "write_report"]
