"""Searches for the valid files and pictures that take most CPU time and memory."""
