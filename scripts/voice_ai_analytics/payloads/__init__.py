"""Vendors' exports, loaded as they are: finding files, reading payloads, storing them."""
