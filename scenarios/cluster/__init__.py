"""The labs of many machines: a head that hands out cells, and workers that run them and send the evidence home.

By Dask distributed, an extra (`pip install 'faultwire[cluster]'`), which this room alone imports. It
must not know the command line.
"""
