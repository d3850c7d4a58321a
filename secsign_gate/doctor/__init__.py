"""What stands open, what does not work, and how to mend it. It looks and changes nothing."""
