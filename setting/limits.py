"""How large what comes from outside may be: one number for each kind, with its reason. More is refused by name."""

TEXT = 32 * 2**20
"""Bytes of a file of JSON or CSV, and characters of a JSON text: JSON takes under 1 GB as Python's objects; of a table,
MEASUREMENTS bounds the memory. The largest results file of a harness is a few MB."""

MEASUREMENTS = 10**6
"""Numbers in a table of evaluations, over all files: about 800 bytes each while they are read and sorted."""

CHECKPOINTS = 20_000
"""Checkpoints of one curve, such as a log of every step: the interval of its turn takes three minutes and 0.4 GB."""

TOML = 2**20
"""Bytes of a TOML file, which people write; Python reads a megabyte of it in about a second."""

NESTING = 32
"""Levels of lists and tables in JSON and TOML. Files of ours have at most six, and Python's own recursion ends at some
three hundred."""

DIGITS = 308
"""Digits of a whole number in JSON and TOML: one with more is no float64."""

MESSAGE = 2_000
"""Characters of each part of a refusal, which repeats what was given."""

NUMBERS = 2**28
"""Numbers in one array that a formula is given: 2 GiB of float64."""

MODES = 10**7
"""Singular values of a teacher: 80 MB for each array over them."""

MATRIX = 2**24
"""Entries of a teacher's matrix, which a protocol keeps as Python's numbers: 0.5 GiB."""

DEPTH = 10_000
"""Layers of a network; its shapes are listed layer by layer."""

FRAME = 20_000
"""Dimensions of a random frame: 3 GiB of float64."""

AXIS = 100_000
"""Values of one axis of a sweep; each is checked by a protocol of its own, in about a millisecond."""

CELLS = 10**7
"""Cells of a sweep, which end in one file: hours of computing, and gigabytes."""

PROGRAMS = 10_000
"""Compiled programs of a sweep, a second or more each."""

CHECKS = 200_000
"""Protocols that a sweep checks before it runs, every value of an axis with every program: some minutes."""

PAIRS = 10**6
"""Pairs of an input and an output whose mean cost of rounding is integrated: milliseconds each, an hour."""

RESULT = 2**32
"""Bytes of the numbers in a result file, all of which are read into memory."""

MAGNITUDE = 1e100
"""Size of a number in a table of evaluations, which is squared and divided; a smaller one than its inverse is no
measurement either."""

MEMORY = 2**32
"""Bytes that the arrays of an answer may take, which most machines have."""
