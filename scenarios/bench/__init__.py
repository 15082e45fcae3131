"""How fast the services are, and what the lab itself costs.

It must not know the command line.
"""
