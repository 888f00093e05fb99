"""Steps and assumptions that several claims use."""
