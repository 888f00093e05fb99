from . import llm as llm
from .build import build as build
from .catalogue import CATALOGUE as CATALOGUE, Entry as Entry
from .draw import curves as curves
from .quick import plot as plot
from .style import styled as styled
