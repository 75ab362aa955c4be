"""One machine as a driver: jobs are process trees, each under a shim that outlives the scheduler.

`driver` carries commands out; `shim` is what runs each attempt of a job, and needs nothing but the
standard library. Nothing is imported here: the shim comes through this package and has to be quick.
"""
