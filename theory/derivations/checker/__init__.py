"""What a derivation is, and how it is checked, reported and printed."""
