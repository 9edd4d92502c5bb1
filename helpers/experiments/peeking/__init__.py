"""What holds although one looks before the end."""
