"""Results told: pages, Markdown, JSON, JUnit, ladders, and what the terminal prints.

It reads values and the folder of a run. It must not know Docker or a lab that runs.
"""
