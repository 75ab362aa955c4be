"""Workloads: traces read from other people's files, written to ours, or generated from a seed.

`reader.read_trace` takes any file, `selection.select` cuts and bends it, `generator.generate` needs
no file, and all end in the same frozen `trace.Trace`.
"""
