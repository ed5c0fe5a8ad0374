"""The command line: a command opens, calls and prints; what it prints is decided elsewhere."""
