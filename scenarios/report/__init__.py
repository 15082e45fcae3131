"""The report of a run: pages that open from the disk, made of what the run left in its folder, and of nothing else.

`writing` writes them; `reading` reads the folder; `picture` is the ladder of one script, `table` the matrix, `changes`
what another run saw otherwise; `pages` and `markdown` say it. Nothing here needs a lab, or knows one.
"""
