"""secsign-gate: phone approval for OpenSSH. Every door starts through this file, so it holds the version only."""

__version__ = "0.1.0"
