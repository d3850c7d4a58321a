"""secsign-gate: phone approval for OpenSSH. Two of its doors start through this file, so it holds the version only."""

__version__ = "0.1.0"
