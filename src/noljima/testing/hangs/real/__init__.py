"""Real programs that hang, and real ones that are only silent, under a real scheduler.

`training` is what they have in common: steps, a gang, marks of when they fell silent. `hangs` and
`silences` are what they do then, `program` is what a job runs. `watch` runs all of them at once and
keeps what is said of each: `python -m noljima.testing.hangs.real` prints that.
"""
