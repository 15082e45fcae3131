"""What was seen: packets of both legs, sockets, stalls; captured, decoded, paired and kept as frozen values.

It must not know what was expected, and judges nothing.
"""
