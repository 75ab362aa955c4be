"""What people hand in: job files, directives in scripts and options, as one checked noun.

`nouns` is what everybody talks about. Texts become nouns here and nowhere else; nothing here runs
anything, and nothing here reaches a shell.
"""
