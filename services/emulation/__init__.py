"""What a machine answers: errno, socket options, ancillary data and system calls, asked alike on every machine."""
