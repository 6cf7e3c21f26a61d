"""The search for tokens by what is drawn from them; needs torch. Never sees a file's bytes."""
