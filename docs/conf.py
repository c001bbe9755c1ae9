# SPDX-License-Identifier: MIT
"""conf - how Sphinx makes the site and the manual pages from these folders (`make docs`)

The sources are the Markdown pages that a reader of the checkout sees. Python's reference is made of
the docstrings, C's of the comments in the public header.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TOP = Path(__file__).resolve().parents[1]

project = "ffi_static"
author = "the ffi_static authors"
project_copyright = author
version = release = ".".join(
    re.findall(
        r"^#define FFI_STATIC_VERSION_\w+ (\d+)$",
        (TOP / "csrc/include/ffi_static.h").read_text(),
        re.MULTILINE,
    )
)

extensions = ["myst_parser", "sphinx.ext.autodoc", "hawkmoth"]
root_doc = "docs/index"
include_patterns = ["*.md", "**/*.md", "csrc/kernel/trampfd.rst"]
exclude_patterns = ["build", ".*", "dist"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
default_role = "code"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"

hawkmoth_root = str(TOP / "csrc" / "include")
hawkmoth_clang = ["-std=gnu11", "-x", "c"]
hawkmoth_transform_default = "comment"

html_theme = "furo"
html_title = f"ffi_static {version}"
html_show_sourcelink = False


man_pages: list[tuple[str, str, str, list[str], int]] = [
    (
        "docs/use/command",
        "ffi-static",
        "callbacks without W+X memory in any program",
        [],
        1,
    ),
    ("docs/reference/c", "libffi_static", "closures and trampolines without W+X memory", [], 3),
]
man_show_urls = False


#: The kinds of lines in a comment of the header, by how a line begins.
CODE, ERROR, ITEM = (
    re.compile(r"    +\S"),
    re.compile(r"(-E[A-Z0-9]+)(?:: *|(?=, or ))"),
    re.compile(r" *- "),
)


def _plain(text: str) -> str:
    """What is markup for Sphinx, and a name in C, as it is."""
    return re.sub(r"([*|])|(?<=\w)_(?=\W|$)", lambda found: "\\" + found[0], text.strip())


def comment_to_rest(lines: list[str]) -> None:
    """Change a comment of the header, which is plain text, to what Sphinx reads.

    Lines that begin with "-EINVAL: " or "- " become the items of a list, with the indented lines
    below them. Other lines that are four columns in are code.
    """
    text = "\n".join(lines)
    text = re.sub(r"\n ?\* (?=\S.*\Z)", "\n", text)  # hawkmoth leaves it on the last line
    text = re.sub(r"(?m)^(-E[A-Z]+: .*?) {2,}(?=-E[A-Z]+: )", r"\1\n", text)
    if heading := re.match(r"--- (.*?) -+", text):
        text = f".. rubric:: {heading[1]}\n{text[heading.end() :]}"
    out: list[str] = []
    kind = "text"
    for line in text.split("\n"):
        if not line.strip():
            kind = kind if kind == "code" else "text"
            out.append("")
        elif CODE.match(line) and (kind == "code" or (kind == "text" and out and not out[-1])):
            out += [line] if kind == "code" else [".. code-block:: c", "", line]
            kind = "code"
        elif (found := ERROR.match(line)) or ITEM.match(line):
            out += [""] if kind != "list" else []
            kind = "list"
            rest = line[found.end() :] if found else line.strip()[2:]
            name = f"``{found[1]}``{'' if rest[:1] == ',' else ': '}" if found else ""
            out.append(f"* {name}{_plain(rest)}")
        elif kind == "list" and line.startswith(" "):
            out.append(f"  {_plain(line)}")
        else:
            out += [""] if kind != "text" else []
            kind = "text"
            out.append(_plain(line))
    lines[:] = out


def process_docstring(
    _app: Sphinx, lines: list[str], transform: str | None, _options: dict[str, Any]
) -> None:
    """Hawkmoth asks for each comment."""
    if transform == "comment":
        comment_to_rest(lines)


class FilesAreNames(SphinxPostTransform):
    """A link to a file of the source tree that is no page of the site becomes the file's name."""

    default_priority = 5

    def run(self, **_kwargs: Any) -> None:
        """Replace each link that MyST took for a download, and each to a folder."""
        for node in list(self.document.findall(addnodes.download_reference)):
            node.replace_self(nodes.inline("", "", *node.children))
        here = TOP / self.env.docname
        for node in list(self.document.findall(addnodes.pending_xref)):
            target = node.get("reftarget", "").partition("#")[0]
            if node.get("refdomain") is None and (here.parent / target).is_dir():
                node.replace_self(nodes.inline("", "", *node.children))


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    app.connect("hawkmoth-process-docstring", process_docstring)
    app.add_post_transform(FilesAreNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
