"""The closed loop on real flights, step by step; its system is the end-to-end tests' too."""
