"""Networks of other programs: import and export, and their file formats."""
