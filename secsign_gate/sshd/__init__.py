"""What sshd on this host would do: its program, its configuration, and what it makes of it for one connection."""
