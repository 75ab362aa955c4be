"""The scheduler of one machine as a service: an engine, its state, its jobs and its people."""
