"""Effects by the method of the plan, for whom and since when, and other readings beside."""
