"""The scheduler on stage: a minute and a half of real jobs on eight virtual GPUs.

`work` is what the jobs do, `play` which jobs come and when, `stage` brings a scheduler up and takes
everything away again, `show` is what is seen meanwhile and `ending` what is told in the end.
"""
