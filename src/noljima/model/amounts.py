"""Amounts as people write them, each with its noun: 1 GPU, 0.5 GPUs, 2,048 workers."""

from __future__ import annotations


def thousandths(milli: int) -> str:
    """Write a number of thousandths: 8, 0.5, 2,048."""
    return f"{milli / 1000:,.3f}".rstrip("0").rstrip(".")


def noun(milli: int, one: str) -> str:
    """Write the noun of an amount in thousandths, which is plural but for exactly one."""
    return one if milli == 1000 else f"{one}s"


def gpus(milli: int) -> str:
    """Write an amount of GPUs with its noun: 1 GPU, 0.5 GPUs, 2,048 GPUs."""
    return f"{thousandths(milli)} {noun(milli, 'GPU')}"


def cpus(milli: int) -> str:
    """Write an amount of CPUs with its noun."""
    return f"{thousandths(milli)} {noun(milli, 'CPU')}"


def several(count: int, one: str) -> str:
    """Write a number of things: 1 worker, 1,500 workers."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def fit(count: int) -> str:
    """Write how many fit: 1 fits, 0 fit."""
    return f"{count:,} {'fits' if count == 1 else 'fit'}"
