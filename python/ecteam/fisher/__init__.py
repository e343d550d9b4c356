"""Fisher information: what data say about parameters, and what that means for predictions."""

from ecteam.fisher.information import RANK, SCALINGS, STIFF, Fisher, fisher
from ecteam.fisher.intervals import Credible, Interval, credible

__all__ = ["RANK", "SCALINGS", "STIFF", "Credible", "Fisher", "Interval", "credible", "fisher"]
