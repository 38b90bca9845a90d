"""Generated from package hookline.conformance.v1."""
