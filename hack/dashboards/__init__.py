"""The chart's Grafana dashboards: a page of YAML each, and the program that draws them."""
