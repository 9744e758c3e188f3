"""What documents say about versions is what the code says."""

import re
import tomllib

import yaml
from spinloom.contract.link import PROTOCOL_VERSION

from .pages import DOCS, PACKAGE

VERSION = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["version"]


def test_the_package_has_one_version():
    citation = yaml.safe_load((PACKAGE / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (VERSION, "Apache-2.0")
    assert re.findall(r"^## (\S+)[,\n]", (PACKAGE / "CHANGELOG.md").read_text(), re.M)[0] == VERSION


def test_the_page_has_them():
    rows = dict(re.findall(r"^\| the ([\w ]+) \| .* \| (.*?) \| .*? \|$", (DOCS / "versions.md").read_text(), re.M))
    assert (rows["package"], rows["link"]) == (VERSION, str(PROTOCOL_VERSION))
