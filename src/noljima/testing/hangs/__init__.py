"""Made-up lives of jobs, stuck ones and harmless ones, to try `noljima.health` with.

`modes` says what a worker uses while it does something, `script` what a job does one after the
other, `patterns` how jobs get stuck and how they are silent for good reasons. `play` lets a monitor
watch one of them, `measure` a thousand: `python -m noljima.testing.hangs 1000 1`. `ward` is for
examples by hand.
"""
