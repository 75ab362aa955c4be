"""The loop between the engine and the world: the ports, and one way to go round."""
