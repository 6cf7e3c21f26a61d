"""Turns result rows into summary, tables, plots and page. Never runs a codec or changes a row."""
