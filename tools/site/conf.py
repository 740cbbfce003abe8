"""Sphinx's settings for the web edition; `python -m tools.site` writes the sources and calls it."""

import os

project = "sslbook"
author = "The sslbook authors"
copyright = "The sslbook authors. Text and figures CC BY 4.0, code Apache-2.0"
release = version = os.environ.get("SSLBOOK_SITE_VERSION", "")
language = "en"
extensions = ["myst_nb", "sphinx_design"]
exclude_patterns = ["_build"]

nb_execution_mode = "off"  # pages show the committed outputs
nb_ipywidgets_js = {}  # no committed notebook holds a widget
nb_render_markdown_format = "gfm"  # tables that cells show
nb_code_prompt_show = "Show this {type}"
nb_code_prompt_hide = "Hide this {type}"
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_block", "colon_fence"]
myst_heading_anchors = 3
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # the menu would load more files

html_theme = "sphinx_book_theme"
html_title = "sslbook"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["book.css"]
html_js_files = ["names.js"]
html_extra_path = ["_downloads_of_chapters"]
html_show_sourcelink = False
html_copy_source = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_persistent": [],  # the search field stands in the side bar
    "home_page_in_toc": False,
    "show_navbar_depth": 1,
    "max_navbar_depth": 2,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_issues_button": False,
    "use_repository_button": False,
    "toc_title": "On this page",
}
pygments_style = "a11y-high-contrast-light"
