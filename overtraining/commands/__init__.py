"""The commands of the command line, one file each; none imports at its top what its `--help` does not need."""
