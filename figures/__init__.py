"""What people see: figures of theory, simulation and language models, drawn with one vocabulary."""

from figures.build import build as build
from figures.catalogue import CATALOGUE as CATALOGUE, Entry as Entry
from figures.draw import curves as curves
from figures.quick import plot as plot
from figures.style import styled as styled
