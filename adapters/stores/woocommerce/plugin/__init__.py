"""The WordPress companion plugin (`dispo/`, PHP) and what makes its files."""
