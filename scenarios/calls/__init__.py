"""Servers and clients started on hosts, and how each call ended.

It must not know faults, packets or verdicts.
"""
