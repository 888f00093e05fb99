"""Settings of the documentation's generator, Sphinx: `make docs` builds the site into build/docs."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions")]
SCRIPTS = str(Path(sys.executable).parent)
os.environ["PATH"] = os.pathsep.join([SCRIPTS, os.environ.get("PATH", "")])  # for the tutorials' cells of shell

import overtraining  # noqa: E402  # of the checkout in which the site is built

project = "overtraining"
author = "The overtraining developers"
copyright = "2026, the overtraining developers. Code: Apache-2.0; texts and lessons: CC BY 4.0"
version = release = overtraining.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "built_parts",
    "api_pages",
    "citation",
    "claim_graph",
    "claims",
    "command_line",
    "docstrings",
    "experiment_list",
    "figure_pages",
    "glossary",
    "lesson_table",
    "mathml",
    "notebooks",
    "protocol_fields",
    "repairs",
    "repository",
    "results",
    "roles",
    "signatures",
]
exclude_patterns = ["examples/*", "claims.md", "vocabulary.md"]
nitpicky = False  # what a docstring quotes links to an object if there is one of that name
default_role = "py:obj"
add_module_names = False
toc_object_entries_show_parents = "hide"
suppress_warnings: list[str] = []

# Markdown
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath", "fieldlist", "substitution"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

# Of a dialogue at a prompt, what was typed is copied.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

# Tutorials are executed whenever the site is built, each in a kernel of its own.
nb_execution_mode = "force"
nb_execution_in_temp = True  # what they write is removed
nb_execution_timeout = 600  # seconds of a cell, on a busy machine
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_execution_excludepatterns: list[str] = []

# The reference
autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": False}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
maximum_signature_line_length = 88
python_use_unqualified_type_names = True

# The look. Nothing is loaded from another machine.
html_theme = "pydata_sphinx_theme"
html_title = "overtraining"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_sidebars = {"lessons": []}  # room for the page to explore
html_show_search_summary = False  # a page that is opened as a file may not read others
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 8,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}
