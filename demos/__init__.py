"""Interactive demonstrations: lessons that a local server shows in a browser, and a page in one HTML file."""
