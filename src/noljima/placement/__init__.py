"""Where a gang fits: spaces that gangs are placed in, and refusals in words.

A *space* is either a `Pool`, a cluster seen as one number of GPUs or processors, or a `Grid`, the
nodes as numpy columns. Policies plan on a copy of a space and never know which kind it is.
"""
