"""Tells people what became of their jobs, through the channels that an operator has set up."""
