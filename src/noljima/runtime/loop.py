"""Wait, decide, write down, do: the same loop for the simulator, a workstation and a cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence

from noljima.engine import Engine
from noljima.runtime.ports import Driver, Journal, Sink


async def run(
    engine: Engine, driver: Driver, journal: Journal | None = None, sinks: Sequence[Sink] = ()
) -> None:
    """Go round until the driver says that nothing will ever happen again."""
    while True:
        # 1. Wait for something to happen, or for the moment the engine asked for.
        wake_s = engine.wake_s
        events = await driver.wait(wake_s if wake_s < math.inf else None)
        if not events:
            return
        # 2. Decide.
        commands = engine.handle(*events)
        # 3. Write down what happened and what was decided, before anything is done about it.
        if journal is not None:
            await journal.append(events, commands)
        # 4. Do it, and let the onlookers see.
        if commands:
            await driver.do(events[-1].at_s, commands)
        for sink in sinks:
            sink.observe(events, commands)
