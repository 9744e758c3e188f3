"""The tutorials do what they say: their programs print what the pages show."""

import pytest

from .pages import DOCS, Reader

PAGES = ("start", "tutorial-device", "tutorial-rtl", "tutorial-pytorch", "extending")


@pytest.mark.parametrize("name", PAGES)
def test_programs_print_what_the_page_shows(name, tmp_path):
    Reader(DOCS / f"{name}.md", tmp_path, commands=False).read()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_commands_print_what_the_page_shows(name, tmp_path, verilator):
    Reader(DOCS / f"{name}.md", tmp_path, commands=True).read()
