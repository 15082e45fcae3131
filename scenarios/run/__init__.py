"""Drills performed: one script, one cell (its control, then its fault), many cells on many labs.

It must not know the command line.
"""
