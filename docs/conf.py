"""The documentation's settings: `make docs` builds the site, without a request to any network, and so are its pages."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the API pages are of this checkout

project = "scaler"
copyright = "the authors of scaler, Apache-2.0"
html_title = "scaler"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["example", "studies", "figures"]

# Markdown
highlight_language = "none"  # of blocks that name none
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
suppress_warnings = ["toc.not_readable"]  # a page in a menu that is not written yet
nb_execution_mode = "off"  # a test executes the notebook; its outputs are kept in it
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # a script from a content delivery network, for widgets, which there are none of

# API pages
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
default_role = "py:obj"
napoleon_use_ivar = True
napoleon_use_rtype = False
