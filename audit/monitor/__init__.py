"""The monitor: live groups against the audited baseline and against each other, with false alarms bounded."""
