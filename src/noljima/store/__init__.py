"""What outlives a run: the journal of events and decisions."""
