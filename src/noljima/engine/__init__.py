"""The scheduler itself: events in, commands out, nothing else."""

from noljima.engine.engine import Engine

__all__ = ["Engine"]
