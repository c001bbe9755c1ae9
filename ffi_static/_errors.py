# SPDX-License-Identifier: MIT
"""_errors - what ffi_static raises

Each class also derives from the built-in exception that a user of ctypes or cffi would expect, so
that existing handlers go on working.
"""

from __future__ import annotations

import os


class Error(Exception):
    """Base of the exceptions that ffi_static defines."""


class SignatureError(Error, TypeError, ValueError):
    """A signature does not parse, or names a type that a callback cannot have."""


class ClosedError(Error, ValueError):
    """The address of a callback was asked for after its ``close()``."""


class NoProviderError(Error, MemoryError):
    """No provider of trampolines works on this system.

    ``reasons`` maps the name of each provider that was asked to the sentence that it gave. It is
    empty when FFI_STATIC_PROVIDER names an unknown provider. ``python -m ffi_static doctor`` asks
    all providers, and shows the policies in force.
    """

    def __init__(self, message: str, reasons: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.reasons: dict[str, str] = dict(reasons or {})


class InstallError(Error, RuntimeError):
    """install() met a build of ctypes or cffi that it cannot serve, and changed nothing."""


class InstallWarning(RuntimeWarning):
    """A module that was imported after install() cannot be served. Its callbacks are stock."""


def provider_reasons(message: str) -> dict[str, str]:
    """Split the C library's sentence into {provider: its reason}.

    The sentence reads "...: resident: <reason>; text: <reason>; ...".
    """
    import re

    from ffi_static._lib import ffi, lib

    names = [
        ffi.string(lib.ffi_static_provider_name(index)).decode()
        for index in range(lib.ffi_static_provider_count())
    ]
    parts = re.split(rf"(?:^|: |; )({'|'.join(map(re.escape, names))}): ", message)
    return dict(zip(parts[1::2], parts[2::2]))


def allocation_failed(code: int, text: bytes | str) -> Exception:
    """Give the exception for a failed ``ffi_static_alloc``. The extension calls this."""
    import errno

    message = text.decode(errors="replace") if isinstance(text, bytes) else text
    if code in (errno.ENOSYS, errno.EINVAL):  # all refused, or FFI_STATIC_PROVIDER is wrong
        return NoProviderError(message, provider_reasons(message))
    if code == errno.ENOMEM:
        return MemoryError(message)
    return OSError(code, message or os.strerror(code))
