"""The book of derivations as static pages, which need no network and can be printed."""

from overtraining.figures.book.pages import write_book as write_book
