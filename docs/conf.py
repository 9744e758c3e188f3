"""The site, as Sphinx builds it of these documents and of the docstrings: `make site`."""

from importlib.metadata import version as version_of

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

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
html_show_copyright = False
html_copy_source = False
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]


def render_formula(page, node):
    """A formula as MathML, which browsers draw by themselves: nothing is loaded from elsewhere."""
    page.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (render_formula, None), (render_formula, None))
