"""The nouns: jobs, nodes, resources, events and commands, all immutable.

Nothing here computes a decision and nothing here does I/O. Times are seconds, as `float`, and
always come from an event: the core has no clock. The nouns are frozen `msgspec.Struct`s rather
than dataclasses: they build about five times faster, and the journal reads and writes them
without a second set of types.
"""
