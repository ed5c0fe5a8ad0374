"""Reports in the shape that a law, an agency or another program asks for; they are evidence, not advice.

Each module beside `frame` is one profile: its `FORMS` render the same case as a page or a file.
"""

from __future__ import annotations

PROFILES = {
    "ll144": "New York City Local Law 144: summary of a bias audit",
    "us-employment": "Adverse impact of an employment selection in the United States",
    "lending": "Fair-lending figures: approval ratios and score differences",
    "insurance": "Insurance: quantitative testing as Colorado drafted it (co-draft-2023)",
    "hhs-1557": "Section 1557: decision support tools in patient care, 45 CFR 92.210",
    "eu-annex-iv": "EU AI Act: technical documentation, Annex IV",
    "eu-fria": "EU AI Act: fundamental-rights impact assessment, Article 27",
    "gdpr-dpia": "GDPR: data protection impact assessment, Article 35",
    "iso-42001": "ISO/IEC 42001: statement of applicability (ids and titles)",
    "bias-profile": "Bias profile after the clauses of IEEE 7003",
    "model-card": "Model card: page, Model Card Toolkit JSON, model-index YAML",
    "oscal": "OSCAL assessment results 1.1",
    "in-toto": "in-toto statement: test-result v0.1",
}
"""Each profile's module (with _ for -), and its title."""
