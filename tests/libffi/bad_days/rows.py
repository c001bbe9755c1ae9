# SPDX-License-Identifier: MIT
"""rows - the rows of docs/results/libffi-bad-days.md: what is done, and what must be answered.

Every row runs on every library. `patched` is what the case must tell on the patched one; a row
whose outcome there is a clear end of the process says so by ABORTS and names its words.
"""

from __future__ import annotations

from dataclasses import dataclass

GOES_ON = "goes on"
ABORTS = "aborts: "
FOREIGN = ".*not a closure.*"


@dataclass(frozen=True)
class Row:
    """One bad day: `case` of the program with `arguments`, and what the patched library does."""

    what: str
    case: tuple[str, ...]
    patched: str = GOES_ON  # a pattern that the outcome matches from start to end
    mdwe: bool = False
    folder: str = "lib"  # the copy of the library lies in a folder of this name
    cut: bool = False  # another file lies at the path up to its first space
    root: bool = False


def both(what: str, *case: str, patched: str = GOES_ON) -> tuple[Row, Row]:
    """Give the row without, and with, PR_SET_MDWE."""
    return Row(what, case, patched), Row(f"… under MDWE: {what}", case, patched, mdwe=True)


SECTIONS: dict[str, tuple[Row, ...]] = {
    "The library's file": (
        *(
            Row(f"{how}, {when}", ("replaced", n, mode))
            for mode, how in (("garbage", "replaced by another file"), ("deleted", "deleted"))
            for n, when in (("0", "before the first closure"), ("1000", "after the 1,000th"))
        ),
        Row(
            "… under MDWE: replaced, after the 1,000th", ("replaced", "1000", "garbage"), mdwe=True
        ),
        Row(
            "chroot with another file at the same path, /proc mounted",
            ("chroot_with_another_file", "ROOT", "proc"),
            root=True,
        ),
        Row("… and no /proc", ("chroot_with_another_file", "ROOT", "no-proc"), root=True),
        Row("a path with a space", ("as_it_is",), folder="a folder"),
        Row(
            "… and another file where the space cuts it off",
            ("as_it_is",),
            folder="a folder",
            cut=True,
        ),
        Row("a path with a newline", ("as_it_is",), folder="a\nfolder"),
        Row("… under MDWE: a path with a space", ("as_it_is",), folder="a folder", mdwe=True),
    ),
    "Descriptors": (
        Row("every one taken, before the first", ("every_fd_taken", "0")),
        Row("every one taken, after the 1,000th", ("every_fd_taken", "1000")),
        Row("… under MDWE: every one taken", ("every_fd_taken", "0"), mdwe=True),
        *both("all closed and reused by the application", "fds_closed_and_reused", "1000"),
        Row("exec", ("exec",), "none kept, none inherited"),
        Row("… under MDWE: exec", ("exec",), "none kept, none inherited", mdwe=True),
    ),
    "Processes and threads": (
        Row("four threads allocate, call, free", ("threads_allocate",)),
        Row("four threads: any size, any kind, prepared again, freed", ("mixed_in_four_threads",)),
        *both(
            "fork: the child frees all and makes others",
            "fork_child_makes_its_own",
            patched="both go on",
        ),
        *both(
            "fork: the parent frees all and makes others",
            "fork_parent_makes_its_own",
            patched="both go on",
        ),
        Row(
            "500 forks while four threads allocate",
            ("fork_while_threads_allocate",),
            "all 500 children go on",
        ),
        Row(
            "… under MDWE: 500 forks while four threads allocate",
            ("fork_while_threads_allocate",),
            "all 500 children go on",
            mdwe=True,
        ),
        Row(
            "dlopen, 500 closures, dlclose: 100 times",
            ("dlclose_again_and_again",),
            "nothing is left",
        ),
    ),
    "What the kernel refuses": (
        Row("MDWE, before the first", ("mdwe", "0")),
        Row("MDWE, after the 1,000th", ("mdwe", "1000")),
        *both("no memfd_create", "refused", "0", "memfd_create"),
        *both("no memfd_create and no openat", "refused", "0", "memfd_create", "openat"),
        Row(
            "… under MDWE: no memfd_create, openat and mremap",
            ("refused", "0", "memfd_create", "openat", "mremap"),
            "`NULL` after some, which go on",
            mdwe=True,
        ),
        Row(
            "no address space left (RLIMIT_AS)",
            ("address_space", "1000"),
            "`NULL` after some; with room again it goes on",
        ),
        *both("pages of 64 KiB (simulated), from the first", "pages_of_64k", "0"),
    ),
    "Rare uses": (
        *both("`ffi_prep_closure_loc` again on a live closure, 3,000 times", "prepared_again"),
        Row(
            "`ffi_prep_closure` on allocated memory",
            ("prep_closure_on_allocated",),
            "goes on at its code address",
        ),
        Row(
            "the user's own memory, `ffi_prep_closure`",
            ("own_memory_prep_closure",),
            "`FFI_OK`; answers right once the user has made it executable",
        ),
        Row(
            "the user's own memory, `ffi_prep_closure_loc`",
            ("own_memory_prep_closure_loc",),
            "`FFI_OK`; answers right once the user has made it executable",
        ),
        Row(
            "the user's own memory, beside closures that were given",
            ("own_memory_beside_closures",),
            "`FFI_OK`; answers right .*",
        ),
        Row(
            "the user's own memory, never made executable",
            ("own_memory_stays_as_it_was",),
            "`FFI_OK`; it stays read-write, .*",
        ),
        *both(
            "closures at the head of 56 … 262,080 bytes",
            "sizes_to_262080",
            patched="each works, and keeps the user's bytes",
        ),
        Row("cleared by the program before it is prepared", ("overwritten", "0")),
        Row("… and before it is prepared again", ("overwritten", "0", "again")),
        Row("filled with 0xa5 before it is prepared again", ("overwritten", "165", "again")),
        Row("cleared by the program before it is freed", ("cleared_before_free",), "freed"),
        Row("a closure of 262,080 bytes", ("size_of", "262080"), "works"),
        Row("a closure of 1 MiB", ("size_of", "1048576"), "NULL"),
        Row("a closure of `SIZE_MAX` bytes", ("size_of", "18446744073709551615"), "NULL"),
        Row("a closure of 0 bytes", ("size_too_small",), "memory is given|NULL"),
        Row("no place for the code address", ("no_place_for_the_code_address",), "NULL"),
        *both("`FFI_WIN64`", "win64"),
        Row("`FFI_GNUW64`", ("gnuw64",)),
        Row("`FFI_EFI64`", ("efi64",)),
        Row("`FFI_WIN64`, then System V, on one closure", ("windows_then_system_v",)),
        *both("Go closures", "go_closure"),
        *both("raw closures", "raw_closure"),
        Row("Java raw closures", ("java_raw_closure",)),
    ),
    "Mistakes": (
        Row("`ffi_closure_free(NULL)`", ("free_null",), "nothing happens"),
        Row("freed by the code address", ("free_by_code_address",), "freed"),
        Row("freed twice", ("free_twice",), ABORTS + ".*freed already.*"),
        Row("freed: memory of malloc", ("free_of_heap_memory",), ABORTS + FOREIGN),
        Row("freed: the middle of a closure", ("free_of_the_middle",), ABORTS + FOREIGN),
        Row(
            "freed: the middle of one of 1,024 bytes",
            ("free_of_the_middle_of_a_large_one",),
            ABORTS + FOREIGN,
        ),
        Row("prepared after it was freed", ("prepared_after_free",), ABORTS + ".*freed.*"),
        Row(
            "prepared: the middle of one of 1,024 bytes",
            ("prepared_in_the_middle",),
            ABORTS + ".*not the start of a closure.*",
        ),
        Row(
            "prepared: its code address",
            ("prepared_at_the_code_address",),
            ABORTS + ".*not the start of a closure.*",
        ),
        Row(
            "eight in one allocation, one behind the other",
            ("several_in_one_allocation",),
            ABORTS + ".*not the start of a closure.*",
        ),
        Row("called after it was freed", ("called_after_free",), ABORTS + ".*freed.*"),
        Row("called before it was prepared", ("called_before_prepared",), ABORTS + ".*prepared.*"),
    ),
}
