"""Measurements of the budgets in docs/benchmarks.md: `python -m bench` (`make bench`).

Nothing here is a test and nothing asserts a time: figures go into a table, beside their budgets.
"""
