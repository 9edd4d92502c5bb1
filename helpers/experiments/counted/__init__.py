"""Who is in which arm, what each came to, and the cube of moments that all statistics are computed on."""
