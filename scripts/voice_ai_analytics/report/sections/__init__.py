"""One module per section of the report: its tables, its figures, its sentences."""
