"""What people touch: `lessons` for a browser, and a `page` that is one file."""
