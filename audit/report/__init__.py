"""Pages and files for readers, each rendered from an AuditResult and a Decision alone."""
