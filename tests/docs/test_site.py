"""The site is built without a warning, and needs nothing from elsewhere."""

import re
import subprocess
import sys

import pytest

from .pages import DOCS, PACKAGE

pytest.importorskip("furo")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site. Warnings are errors: a page that no list of index.md names, a link that leads nowhere."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", DOCS, folder], text=True,
                          capture_output=True, check=False, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_every_document_is_a_page(site):
    assert {page.stem for page in DOCS.glob("*.md")} <= {page.stem for page in site.glob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*? (?:src|href)="(https?:[^"]*)"')
    assert {address for page in site.glob("*.html") for address in loaded.findall(page.read_text())} == set()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_documents_outside_of_the_site_lead_somewhere(name):
    linked = re.findall(r"\]\(((?!https?:)[^)#]+)", (PACKAGE / name).read_text())
    assert [place for place in linked if not (PACKAGE / place).exists()] == []
