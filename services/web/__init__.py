"""HTTP/1.1 by hand: what is read and written here is RFC 9112's; one server file an architecture, two plain clients."""
