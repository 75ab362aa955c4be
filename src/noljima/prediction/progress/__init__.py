"""How far a running job is, and what that says of its run time.

`reader` finds progress in what a job prints, `report` in what it writes into a file of its own;
both give an `Observation`. `pace` learns from observations how long steps take, `belief` weighs
that against what was known at submission, and `progressing` is the source that does so for every
running job. docs/progress.md tells it for those who hand in jobs.
"""
