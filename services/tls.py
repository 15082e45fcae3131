"""TLS 1.3 on a connected socket: what a server shows, whom a client trusts, and what went wrong in words.

Rule: imported only where TLS is asked for; `ssl` is slow to import on an emulated machine.
"""

import os
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

AUTHORITY: Final = Path("/run/authority/ca.pem")  # made for the lab when it comes up (images/names/authority)
KEYS: Final = Path("/run/keys")
FAREWELL_S: Final = 1.0
ENDED: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError)  # the end of the stream; which of them, depends on OpenSSL


class Socket(ssl.SSLSocket):
    """An SSLSocket that says close_notify when it is closed (RFC 8446, 6.1); Python's own says nothing."""

    farewell_s = 0.0  # how long the peer's close_notify is waited for

    def close(self) -> None:
        with suppress(OSError, ValueError):  # it is closed, or was never open, or the peer is gone
            self.settimeout(self.farewell_s)
            self.unwrap()
        super().close()

    def shutdown(self, how: int) -> None:
        """Of the TCP connection; ssl's own would forget that there is TLS on it, and go on in the clear."""
        socket.socket.shutdown(self, how)


class WaitingSocket(Socket):
    """One that hears the peer's close_notify before it is closed; else that would come too late, and meet a reset."""

    farewell_s = FAREWELL_S


def shows(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """For a server: its certificate and its key, which may be in the same file. Exits 66 if they are not there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # nobody here resumes a session
    context.sslsocket_class = Socket
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        unusable(f"certificate {certificate}" + (f" with the key {key}" if key else ""), error)
    return context


def trusts(authority: Path) -> ssl.SSLContext:
    """For a client: only whom this authority has signed, and only by the right name. Exits 66 if it is not there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # by default from Python 3.13 on
    context.sslsocket_class = WaitingSocket
    try:
        context.load_verify_locations(authority)
    except OSError as error:
        unusable(f"authority {authority}", error)
    return context


def unusable(what: str, error: OSError) -> None:
    why = reason(error) if isinstance(error, ssl.SSLError) else error.strerror
    print(f"cannot use the {what}: {why}", file=sys.stderr, flush=True)
    raise SystemExit(os.EX_NOINPUT) from error


def reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason, in words: `certificate has expired`, `wrong version number`, `tlsv1 alert unknown ca`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.removesuffix(".")
    if isinstance(error, ENDED):
        return "end of stream"
    return (error.reason or str(error)).lower().replace("_", " ").removesuffix(".")
