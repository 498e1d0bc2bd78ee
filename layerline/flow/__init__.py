"""Sees a request, a message or a task pass through the layers, and the SQL, Redis and network calls of each.

One instrument, `instrument.install`, under two uses: the guard, which fails a test that breaks the layer contract, and
the tracer. Nothing is wrapped unless it is installed, and production never imports this package.
"""
