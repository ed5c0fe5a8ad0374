"""Every metric beside an oracle: what the documentation prints of it, computed again by a test."""
