"""Machines of different byte order side by side, and the documents made of that.

It must not know the command line.
"""
