"""What sshd and PAM start. A door decides nothing: it states a claim, shows progress, and obeys."""
