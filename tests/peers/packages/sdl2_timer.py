# SPDX-License-Identifier: MIT
"""sdl2_timer - PySDL2: a timer of SDL, which calls a ctypes callback from a thread of SDL's own."""

from __future__ import annotations

import threading

import sdl2

rung = threading.Event()
count = 0


@sdl2.SDL_TimerCallback
def ring(interval: int, _: object) -> int:
    global count  # noqa: PLW0603
    count += 1
    if count == 5:
        rung.set()
    return interval if count < 5 else 0


def main() -> None:
    assert sdl2.SDL_Init(sdl2.SDL_INIT_TIMER) == 0
    assert sdl2.SDL_AddTimer(5, ring, None)
    assert rung.wait(60), f"rang {count} times"
    sdl2.SDL_Quit()
    print(f"SDL's timer thread called {count} times")


if __name__ == "__main__":
    main()
