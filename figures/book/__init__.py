"""The book of derivations: static pages, readable without a network, on a phone and on paper."""

from overtraining.figures.book.pages import write_book as write_book
