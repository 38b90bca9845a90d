"""Generated from package hookline.conformance."""
