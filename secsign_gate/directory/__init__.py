"""Unix account, and where given the key, to SecSign ID."""
