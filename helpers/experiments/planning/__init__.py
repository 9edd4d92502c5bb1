"""What could have been found, and what a coming test needs."""
