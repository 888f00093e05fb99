"""The extensions of the documentation's generator, as modules that tests import."""

import sys
from importlib import import_module

from tests import ROOT

HERE = str(ROOT / "docs/extensions")
sys.path.insert(0, HERE)
try:
    citation = import_module("citation")
    ledger_links = import_module("ledger_links")
    notebooks = import_module("notebooks")
    repository = import_module("repository")
    results = import_module("results")
    results_numbers = import_module("results_numbers")
    results_plots = import_module("results_plots")
finally:
    sys.path.remove(HERE)
