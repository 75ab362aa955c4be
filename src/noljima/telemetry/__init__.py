"""What can be measured in the machine at hand: a GPU's speed, and what a model is made of.

Everything here is optional and outside the core: it starts processes, reads clocks and files, and
imports PyTorch where there is one.
"""
