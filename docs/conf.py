"""The site, as Sphinx builds it of these documents and of the docstrings: `make site`."""

from importlib.metadata import version as version_of

project = "Spinloom"
author = "the Spinloom authors"
version = release = version_of("spinloom")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
default_role = "code"
highlight_language = "none"

autodoc_typehints = "description"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"Spinloom {version}"
