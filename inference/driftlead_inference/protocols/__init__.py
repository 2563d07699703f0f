"""The protocols that clients speak: each turns bodies into rows and answers into bodies, without I/O."""
