"""From bytes to a handler and back: the ASGI application and the fast front beside it."""
