"""Reports in the shape that a law, an agency or another program asks for; they are evidence, not advice.

Each module beside `frame` is one profile: its `FORMS` render the same case as a page or a file.
"""

from __future__ import annotations

PROFILES = {
    "ll144": "New York City Local Law 144: summary of a bias audit",
    "us-employment": "Adverse impact of an employment selection in the United States",
    "lending": "Fair-lending figures: approval ratios and score differences",
    "eu-annex-iv": "EU AI Act: technical documentation, Annex IV",
    "model-card": "Model card: page, Model Card Toolkit JSON, model-index YAML",
    "in-toto": "in-toto statement: test-result v0.1",
}
"""Each profile's module (with _ for -), and its title."""
