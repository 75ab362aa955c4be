"""A simulated world: jobs take the time that a trace says, in virtual time."""

from noljima.drivers.sim.driver import SimulatedJob, Simulation

__all__ = ["SimulatedJob", "Simulation"]
