"""No network in the tests: whoever tries to reach another machine gets an OSError that says so."""

from __future__ import annotations

import sys

LOCAL = ("127.0.0.1", "::1", "localhost", "", None)


def cut_network() -> None:
    """From here on this process reaches no other machine. Audit hooks cannot be taken off again."""
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[object, ...]) -> None:
    host: object = None
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):  # the address of a Unix socket is a string
        host = args[1][0]
    if host not in LOCAL:
        raise OSError(f"the tests run without network, and something reached for {host!r}")
