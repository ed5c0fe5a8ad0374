"""The metrics' formulas, a file a family, on the sums of groups; what they mean stands in the registry."""
