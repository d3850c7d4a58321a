"""Tries, as a client and before any approval, each way around the gate that core/bypass.py names."""
