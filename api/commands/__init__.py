"""What each command of `filrouge` does: a function each, from its arguments and the settings to its exit status."""

INTERRUPTED = 130
"""The status of a command that was interrupted."""
