"""How well the analytic model predicts what others have measured: `python -m bench.analytic`.

Reads the measured tables beside the checkout (`../shared/data/speeds`), which are not part of the
project. `--fit` writes what the model takes from them into the package.
"""
