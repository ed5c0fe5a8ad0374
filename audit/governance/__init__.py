"""From a question on a checklist to the evidence that answers it, the harm it names, and who signs.

Everything a person writes is a plain file in the project's `governance/` folder; everything a
catalogue says is a file in `checklists/`; what a status is follows from both on the day that is asked.
"""
