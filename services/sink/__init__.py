"""A server that accepts and never reads, and a client that fills what lies between: two kernels' buffers."""
