"""Peers that misbehave in one way each, to stand where an ordinary server or client stands, and clients that show TCP.

Each time that one did its thing it prints a line that begins with `did: `: a server among its journal, on stderr, a
client on stdout. `serving` and `asking` have what they share; `lies` has no I/O.
"""
