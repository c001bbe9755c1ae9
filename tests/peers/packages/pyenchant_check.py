# SPDX-License-Identifier: MIT
"""pyenchant_check - PyEnchant (spell checking in editors and services): dictionaries are listed by
ctypes callbacks, which libenchant calls for each of them.
"""

from __future__ import annotations

import enchant


def main() -> None:
    languages = enchant.list_languages()
    assert "en_US" in languages, f"Debian: hunspell-en-us; there are {languages}"
    words = enchant.Dict("en_US")
    assert words.check("callback") or words.check("call")
    assert not words.check("tramoplin")
    provider = words.provider.name
    print(f"enchant {enchant.get_enchant_version()}: {len(languages)} languages, {provider}")


if __name__ == "__main__":
    main()
