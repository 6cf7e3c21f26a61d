"""Searches for tokens whose drawn tiles are better. Needs torch. Never reads or writes files."""
