"""What sshd would do for everybody on this host, judged: part.py asks, rules/ say what is wrong with the answers."""
