"""Is it alive? Verdicts on running jobs and their GPUs, from samples, steps and errors.

`facts` is what is told, `findings` what comes of it, and `Monitor` is between the two. Nothing
here stops anything, and nothing here reads a clock: the runtime tells, and acts. docs/health.md
says what is found, what is left alone, and where this is weak.
"""

from noljima.health.monitor import Monitor

__all__ = ["Monitor"]
