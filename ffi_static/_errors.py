# SPDX-License-Identifier: MIT
"""_errors - what ffi_static raises

Each class also derives from the built-in exception that a user of ctypes or cffi would expect
in its place, so that existing handlers go on working.
"""

from __future__ import annotations

import errno
import os


class Error(Exception):
    """Base of the exceptions that ffi_static defines."""


class SignatureError(Error, TypeError, ValueError):
    """A signature that does not parse, or a type that a callback cannot have."""


class ClosedError(Error, ValueError):
    """The address of a callback was asked for after its ``close()``."""


class NoProviderError(Error, MemoryError):
    """No provider of trampolines works on this system.

    ``reasons`` maps each provider's name to the sentence that it gave; ``python -m ffi_static
    doctor`` shows the same with the policies in force.
    """

    def __init__(self, message: str, reasons: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.reasons: dict[str, str] = dict(reasons or {})


def provider_reasons() -> dict[str, str]:
    """Ask every provider again and return {name: reason}; "" for one that works."""
    from ffi_static._lib import ffi, lib

    reasons = {}
    text = ffi.new("char[]", 1024)
    for index in range(lib.ffi_static_provider_count()):
        name = lib.ffi_static_provider_name(index)
        text[0] = b"\0"
        status = lib.ffi_static_provider_probe(name, text, len(text))
        reason = ffi.string(text).decode(errors="replace")
        reasons[ffi.string(name).decode()] = (reason or os.strerror(-status)) if status else ""
    return reasons


def allocation_failed(code: int, text: bytes | str) -> Exception:
    """Build the exception for a failed ``ffi_static_alloc`` (called by the extension)."""
    message = text.decode(errors="replace") if isinstance(text, bytes) else text
    if code in (errno.ENOSYS, errno.EINVAL):  # all refused, or FFI_STATIC_PROVIDER names none
        return NoProviderError(message, provider_reasons())
    if code == errno.ENOMEM:
        return MemoryError(message)
    return OSError(code, message or os.strerror(code))
