"""The decision, all experiments at a glance, and the analysis as a record that can be computed again."""
