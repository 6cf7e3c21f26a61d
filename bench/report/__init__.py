"""Summary, tables, plots and page, made of result rows; they never run a bench or change a row."""
