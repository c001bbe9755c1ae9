# SPDX-License-Identifier: MIT
"""pyopenssl - pyOpenSSL (Twisted, Scrapy, urllib3's old TLS): a handshake with a verify callback.

``Context.set_verify()`` hands OpenSSL an ``ffi.callback``; so do ALPN, OCSP, cookies and key logs.
Two ends in memory, a certificate made here, both directions of data.
"""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

seen: list[tuple[int, int]] = []
lines: list[bytes] = []


def verify(_: Any, certificate: Any, error: int, depth: int, __: int) -> bool:
    seen.append((error, depth))
    return bool(certificate.get_subject().CN == "ours.example")


def contexts() -> tuple[Any, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ours.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
    ).sign(key, hashes.SHA256())
    server = SSL.Context(SSL.TLS_SERVER_METHOD)
    server.use_certificate(crypto.X509.from_cryptography(certificate))
    server.use_privatekey(crypto.PKey.from_cryptography_key(key))
    server.set_alpn_select_callback(lambda _, offered: offered[-1])
    client = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client.set_verify(SSL.VERIFY_PEER, verify)
    client.set_alpn_protos([b"http/1.1", b"h2"])
    client.set_keylog_callback(lambda _, line: lines.append(line))
    return server, client


def pump(ends: tuple[Any, Any]) -> None:
    """Carry what each end wrote to the other, until both are silent."""
    moved = True
    while moved:
        moved = False
        for here, there in (ends, ends[::-1]):
            try:
                there.bio_write(here.bio_read(65536))
                moved = True
            except SSL.WantReadError:
                pass


def main() -> None:
    server, client = (SSL.Connection(context, None) for context in contexts())
    server.set_accept_state()
    client.set_connect_state()
    for _ in range(4):
        for end in (client, server):
            with contextlib.suppress(SSL.WantReadError):
                end.do_handshake()
        pump((client, server))
    client.send(b"question")
    pump((client, server))
    assert server.recv(100) == b"question"
    assert client.get_alpn_proto_negotiated() == b"h2"
    assert seen, "the verify callback was not called"
    assert any(line.startswith(b"CLIENT_") for line in lines)
    print(f"{client.get_protocol_version_name()}: verified, ALPN h2, {len(lines)} keys logged")


if __name__ == "__main__":
    main()
