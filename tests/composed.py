"""The service.yaml of a composition of two services: `web` on the client's side, and `db` on the server's."""

from __future__ import annotations


def service_file(name: str, about: str, server: str, client: str) -> str:
    """`server` is what `db` is, and `client` are the words of the client in `web`, as YAML."""
    return f"""
service: {name}
about: {about}
compose: compose.yaml
client_side: [web]
server_side: [db]
families: [ipv4]
port: 7000
servers:
  db: {{in: db, about: {server}}}
clients:
  ask: {{in: web, {client}}}
"""
