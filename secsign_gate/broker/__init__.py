"""The process that holds the secrets, asks the ID server, decides and records."""
