"""What is wanted as Kubernetes objects: pod templates, the children, compared with what is there."""
