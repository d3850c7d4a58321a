"""Decisions, pure: facts and replies go in, decisions come out. No I/O, no clock, no environment, no randomness."""
