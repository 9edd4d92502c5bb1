"""May an experiment be read, and does the machinery tell the truth on these people?"""
