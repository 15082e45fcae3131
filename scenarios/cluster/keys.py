"""The keys of a cluster: an authority of its own, and a certificate for the head and one for the workers.

A worker runs what it is told, and a scheduler tells what it is told: whoever has one of these keys can run any program
on every machine of the cluster. So connections that leave a machine are TLS in both directions, and each end proves
that this cluster's authority has signed it. Names of hosts are not looked at: the authority signs nobody else.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed.security import Security

from scenarios.cluster.address import Address
from scenarios.evidence.run_folder import StorageProblem
from scenarios.lab.errors import UsageError
from scenarios.lab.places import CONFIG, PROGRAM

AUTHORITY: Final = "ca.pem"
HEAD: Final = "head"
WORKER: Final = "worker"
DAYS: Final = 365
FOLDER: Final = CONFIG / "cluster"
MAKES_KEYS: Final = f"{PROGRAM} cluster keys"


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"faultwire {name}")])


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: ec.EllipticCurvePrivateKey, days: int, *, authority: bool
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_common_name(name))
        .issuer_name(_common_name("authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
        .sign(issuer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def make(folder: Path, days: int = DAYS) -> list[Path]:
    """Write new keys into a folder that has none; return the files that each worker's machine needs.

    Each of `head.pem` and `worker.pem` holds a certificate and its key. The authority's own key is kept nowhere: nobody
    can add to this cluster but with these files. Raise UsageError where keys are there, StorageProblem.
    """
    if there := [
        each for each in (folder / AUTHORITY, folder / f"{HEAD}.pem", folder / f"{WORKER}.pem") if each.exists()
    ]:
        raise UsageError(f"{there[0]} exists already; remove it to make new keys, and copy those to each machine")
    authority = ec.generate_private_key(ec.SECP256R1())
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / AUTHORITY).write_bytes(_signed("authority", authority, authority, days, authority=True))
        for name in (HEAD, WORKER):
            key = ec.generate_private_key(ec.SECP256R1())
            secret = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            descriptor = os.open(folder / f"{name}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_signed(name, key, authority, days, authority=False) + secret)
    except OSError as error:
        raise StorageProblem(f"{folder}: {error.strerror or error}") from error
    return [folder / AUTHORITY, folder / f"{WORKER}.pem"]


def security(address: Address, folder: Path | None, side: str) -> tuple[str, Security | None]:
    """Return the address to connect to or listen on, and the keys of HEAD or WORKER; None where none are needed.

    `folder` is the one that a person named; else FOLDER, if it has keys. Raise UsageError where there are no keys and
    the connection would leave this machine.
    """
    place = folder or FOLDER
    ours = place / f"{side}.pem"
    if folder is None and address.scheme == "tcp" and address.is_loopback:
        return str(address), None
    if missing := [each for each in (place / AUTHORITY, ours) if not each.is_file()]:
        if folder is not None:
            raise UsageError(f"--keys: no such file: {missing[0]}; `{MAKES_KEYS} {folder}` makes keys")
        why = "a worker runs any program that it is sent, so connections between machines need keys"
        how = f"`{MAKES_KEYS}` makes them, and each worker's machine needs a copy of {AUTHORITY} and {WORKER}.pem"
        raise UsageError(f"{address}: no such file: {missing[0]}; {why}: {how}")
    pem = str(ours)
    keys = Security(
        require_encryption=True,
        tls_ca_file=str(place / AUTHORITY),
        tls_client_cert=pem,
        tls_scheduler_cert=pem,
        tls_worker_cert=pem,
    )
    return str(Address("tls", address.host, address.port)), keys
