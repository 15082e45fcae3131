"""The four ways to end a message: one file each, without I/O; `server` and `client` run them over TCP."""
