"""Sessions and metrics as they were known, and how outcomes settle."""
