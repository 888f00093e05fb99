from . import llm as llm
from .build_catalogue import build as build
from .catalogue import (
    CATALOGUE as CATALOGUE,  # all figures: an Entry for each
    Entry as Entry,
)
from .changed_figure import make as make
from .drawing import curves as curves
from .response_figure import plot as plot
from .style import styled as styled
from .summary import show as show
