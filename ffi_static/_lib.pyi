# SPDX-License-Identifier: MIT
# _lib - the compiled module: cffi's view of the C library, and the native types of csrc/py

from collections.abc import Callable
from typing import Any

from typing_extensions import Self

# cffi has no type information of its own: `lib.name` and `ffi.method` are what
# csrc/include/ffi_static.h and cffi's manual say.
ffi: Any
lib: Any

knows_classes: int  # whether _by_value's psABI is this machine's

class Signature:
    def __new__(
        cls,
        text: str,
        family: int,
        swap_errno: bool,
        shape: object,
        items: tuple[tuple[str, Any], ...],
        ctype: Any,
        /,
    ) -> Self: ...
    @property
    def text(self) -> str: ...
    @property
    def items(self) -> tuple[tuple[str, Any], ...]: ...
    @property
    def ctype(self) -> Any: ...

class CallbackBase:
    def __new__(
        cls,
        signature: Signature,
        function: Callable[..., Any],
        error: object = ...,
        onerror: Callable[..., Any] | None = ...,
    ) -> Self: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def raw_address(self) -> int: ...
    @property
    def signature(self) -> Signature: ...
    @property
    def function(self) -> Callable[..., Any]: ...
    @property
    def functype(self) -> Any: ...
    @property
    def onerror(self) -> Callable[..., Any] | None: ...

def maker(
    callback: type[CallbackBase],
    resolve: Callable[[Any, Any], Signature],
    zero: object,
    ctype: type,
    attribute: str,
    /,
) -> Callable[[object, Callable[..., Any], Any, Any, Any], Any]: ...
def shape(result: object, arguments: tuple[object, ...], /) -> object: ...
def layout(members: tuple[object, ...], /) -> tuple[int, int, tuple[int, ...]]: ...
def thread_counts() -> tuple[int, int]: ...
def dropin_bind(name: str, version: str, builtin: object, /) -> tuple[int, str, bool]: ...
def dropin_check(record: int, /) -> None: ...
def dropin_confirm(record: int, /) -> None: ...
def dropin_unbind(record: int, all: object, /) -> None: ...  # noqa: A002
def dropin_drain(
    record: int,
    function: Callable[..., Any],
    args: tuple[object, ...],
    writable_code: object,
    /,
) -> list[Any]: ...
def dropin_collect(
    record: int, function: Callable[..., Any], args: tuple[object, ...], /
) -> list[Any]: ...
def dropin_hold(record: int, objects: object, /) -> None: ...
def dropin_keep(flag: object, /) -> None: ...
def dropin_call(address: int, a: int, b: float, c: int, /) -> int: ...
def dropin_records() -> list[dict[str, Any]]: ...
