"""Adapters: how known kinds of senders are driven."""
