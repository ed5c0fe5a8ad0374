"""Where errors sit, why, and what would mend them: slices, diagnostics, data needs, augmentation."""
