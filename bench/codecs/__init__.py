"""Adapters that turn a picture into points of bytes and quality; they never choose pictures, write results or draw."""
