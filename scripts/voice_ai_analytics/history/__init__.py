"""Sessions and metrics as they were known at a moment."""
