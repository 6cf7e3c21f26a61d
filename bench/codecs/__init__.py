"""Adapters that code a picture at several settings. They never choose pictures, write results or draw plots."""
