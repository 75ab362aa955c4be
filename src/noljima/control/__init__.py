"""How people's commands reach the scheduler: one question and its answers on a UNIX socket.

`messages` is the language, `server` and `client` the two ends of it. Who asks is known from the
socket (peer credentials), never from what is said.
"""
