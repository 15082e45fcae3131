"""The quote of the day, RFC 865: a connection or a datagram, whatever is in it, brings a quote of at most 512 bytes."""
