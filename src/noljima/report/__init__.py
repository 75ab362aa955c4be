"""What happened in a run, as figures, tables and a page.

A `recorder.Recorder` looks on while a run goes on; `metrics` makes figures of its record, `table`
compares them in a terminal, `page` draws them, `schedule` writes every job's start to a file.
"""
