"""A vendor's own figures beside ours, with the difference and where it comes from."""
