"""Noljima (놀지마, "don't idle"): a GPU scheduler that keeps the order and leaves no GPU idle."""

__version__ = "0.1.0"
