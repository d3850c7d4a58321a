"""The attempts themselves, one function for each: a situation in, an outcome out."""
