"""A real Kubernetes on one Linux machine without Docker; README.md says where to start reading."""
