# SPDX-License-Identifier: MIT
"""python_pam - python-pam (JupyterHub's kin, web consoles): a login that PAM refuses.

PAM asks for the password through a conversation function, a ctypes callback. The password is wrong
on purpose: the test needs only the question and the answer, and no account.
"""

from __future__ import annotations

import pam


def main() -> None:
    session = pam.PamAuthenticator()
    assert not session.authenticate("nobody", "not the password", service="login", call_end=True)
    assert session.code in (7, 9, 6), (session.code, session.reason)
    print(f"PAM answered {session.code}: {session.reason}")


if __name__ == "__main__":
    main()
