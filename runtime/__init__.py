"""How work is run on this machine: worker processes, files that are written whole, compiled programs that are kept."""
