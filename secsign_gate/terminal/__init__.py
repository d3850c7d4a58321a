"""All words and pictures that a person logging in sees. Loaded only when somebody waits. Reads no input, ever."""
