"""What is given to the front end and is of no kind that it takes is refused by name, with what to pass instead."""

import json
import subprocess
import sys

from tests import ROOT


def test_what_is_of_no_kind_that_fits_is_refused() -> None:
    command = [sys.executable, "-m", "tests.overtraining.wrong_types"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
    assert said["calls"] > 400
    assert not said["faults"]
