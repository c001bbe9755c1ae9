# SPDX-License-Identifier: MIT
"""soundfile_virtual - soundfile (librosa, speech services): FLAC written to and read from memory.

libsndfile's virtual files are five ``ffi.callback``s on a Python file object.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile


def main() -> None:
    tone = np.sin(np.arange(44100) * 2 * np.pi * 440 / 44100)
    file = io.BytesIO()
    soundfile.write(file, tone, 44100, format="FLAC", subtype="PCM_16")
    file.seek(0)
    again, rate = soundfile.read(file)
    assert rate == 44100
    assert float(np.abs(again - tone).max()) < 2**-14
    size = len(file.getvalue())
    print(f"{soundfile.__libsndfile_version__}: {len(again)} samples through {size} bytes of FLAC")


if __name__ == "__main__":
    main()
