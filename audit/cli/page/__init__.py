"""The checklists as a page on this machine: what it shows, and who may reach it."""
