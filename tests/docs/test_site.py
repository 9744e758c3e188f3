"""The site is built without a warning, and needs nothing from elsewhere."""

import re
import subprocess
import sys

import pytest

from .pages import DOCS

pytest.importorskip("furo")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site. A page that no list of index.md names is a warning, and so is a link that leads nowhere."""
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
