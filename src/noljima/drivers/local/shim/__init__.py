"""The process above a job: starts its workers, keeps their logs, ends them, writes it all down.

Standard library only, and little of it: this is what stands between a command and the job's first
instruction, and what is left of the scheduler while the scheduler is down.
"""
