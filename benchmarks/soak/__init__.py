"""The soak: a server under a steady mixed load for as long as asked, and whether what it holds stays flat."""
