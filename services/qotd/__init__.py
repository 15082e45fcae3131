"""The quote of the day, RFC 865: a connection or a datagram, whatever it holds, brings a quote of under 512 bytes."""
