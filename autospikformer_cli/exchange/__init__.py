"""Import from and export to other programs, and the file formats."""
