"""Switching the gate on and off: each change to sshd is tried, undone unless confirmed, and can be taken back."""
