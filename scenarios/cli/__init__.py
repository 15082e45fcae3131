"""The commands: they read what was typed, call one of the rooms, and print.

Nothing imports this room but `scenarios/__main__.py`.
"""
