"""Growth Rings."""
