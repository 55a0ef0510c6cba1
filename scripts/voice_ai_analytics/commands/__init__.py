"""The commands of voice-ai, one module per group.

These modules hold options, help and what is printed. Each command imports the work itself when it
is called: statistics and plots take seconds to load, and help shouldn't.
"""
