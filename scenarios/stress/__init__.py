"""The lab under stress: runs ended at random moments, messages and files as nobody should send or write them.

It must not know the command line.
"""
