"""attr."""
