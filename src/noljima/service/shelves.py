"""The names under which the scheduler keeps things in its state, beside journal and records."""

from __future__ import annotations

from typing import Final

SPECS: Final = "specs"
"""What was handed in, by the name of the job or array."""
PASTS: Final = "past"
"""What became of each job's runs."""
KEYS: Final = "keys"
"""Submissions by their owner and their idempotency key."""
HELD: Final = "held"
"""Jobs that somebody holds back."""
DRAINED: Final = "drained"
"""GPUs that take nothing new, and why."""
SERVICE: Final = "service"
"""The scheduler's own: the next name of a job, the node's name, the last automatic ends."""
NEXT: Final = "next"
NODE: Final = "node"
