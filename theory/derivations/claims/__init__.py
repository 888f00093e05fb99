"""One file or folder per claim; each defines a DERIVATION."""
