"""The experiments: data sets, settings, arms, comparison and the command line."""
