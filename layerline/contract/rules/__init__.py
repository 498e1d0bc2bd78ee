"""The rules that an import graph cannot hold, one module each."""
