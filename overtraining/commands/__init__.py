"""The command line: one file per command, which imports at its top only what its `--help` needs."""
