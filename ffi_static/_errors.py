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

    ``reasons`` maps the name of each provider that was asked to the sentence that it gave (empty
    when FFI_STATIC_PROVIDER names an unknown one); ``python -m ffi_static doctor`` asks all of
    them, and shows the policies in force.
    """

    def __init__(self, message: str, reasons: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.reasons: dict[str, str] = dict(reasons or {})


class InstallError(Error, RuntimeError):
    """install() met a ctypes or cffi that it does not know how to serve, and changed nothing."""


class InstallWarning(RuntimeWarning):
    """A module that was imported after install() cannot be served; its callbacks are stock."""


def provider_reasons(message: str) -> dict[str, str]:
    """Split the C library's sentence into {provider: its reason}.

    It reads "...: resident: <reason>; text: <reason>; ...", with the providers that were asked.
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
    """Build the exception for a failed ``ffi_static_alloc`` (called by the extension)."""
    message = text.decode(errors="replace") if isinstance(text, bytes) else text
    if code in (errno.ENOSYS, errno.EINVAL):  # all refused, or FFI_STATIC_PROVIDER names none
        return NoProviderError(message, provider_reasons(message))
    if code == errno.ENOMEM:
        return MemoryError(message)
    return OSError(code, message or os.strerror(code))
