"""Who goes next: the order of the line, reservations, backfill, guests and evictions.

Policies read the scheduler's state and return a plan; they change nothing, start nothing and know
no driver.
"""
