"""The echo service (RFC 862): what comes goes back. One contract, seven servers; `echoing` has what they share."""
