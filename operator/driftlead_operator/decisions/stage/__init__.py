"""One track, prod or canary: what is seen of it, what it should serve, and the Deployment that follows."""
