"""Bad files by the million: `mutants` makes them, `outcomes` counts what comes of them, `web` does so in tok.js."""
