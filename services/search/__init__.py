"""The search service: docs/protocol.md says what is asked and answered; one server file an architecture."""
