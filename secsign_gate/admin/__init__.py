"""What an administrator runs by hand."""
