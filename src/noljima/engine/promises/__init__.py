"""Start times that one can plan by: "starts about 14:05, by 14:40"; see `docs/promises.md`."""

from noljima.engine.promises.book import Promise
from noljima.engine.promises.keeper import Promises
from noljima.engine.promises.settled import Settled

__all__ = ["Promise", "Promises", "Settled"]
