"""Generated from package hookline.v1."""
