"""The time of day as a line of text, RFC 867: a connection or a datagram, whatever is in it, brings one."""
