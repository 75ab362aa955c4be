"""What tests of a scheduler need, public so that other people's policies and drivers can use it.

`scenario.play` runs a policy in a simulated world with every book checked after every event;
`watches` are the promises as onlookers; `references` are queues written a second time, from their
published definitions; `sources` are estimate sources that fail; `draws` makes scenarios from a
seed, and `strategies` (which needs Hypothesis) makes them so that a failing one shrinks.
"""
