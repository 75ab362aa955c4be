"""The scheduler of a workstation as it runs: one engine, its journal, its jobs and who asks.

`scheduler` puts it together; everything else here does one thing for it. What decides is in the
engine, what runs jobs in `drivers.local`, what is on the disk in `store`.
"""
