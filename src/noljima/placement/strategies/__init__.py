"""Ways to choose a node, and the names that people choose them by."""

from noljima.placement.strategies.catalogue import NAMES, describe, strategy_of

__all__ = ["NAMES", "describe", "strategy_of"]
