"""How long a job will run: one protocol, and the sources that need no learning."""
