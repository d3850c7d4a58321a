"""PAM's services on this host: files.py reads them, lines.py says what PAM would come to, the rest judges our lines."""
