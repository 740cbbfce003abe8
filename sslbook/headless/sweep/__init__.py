"""Many runs of one chapter: a grid of parameters and seeds over Dask, and what came out of it.

`grid` parses it, `past` finds runs that are there already, `cluster` connects to workers, `work`
makes one run on one of them, `engine` holds all together, `comparison`
puts the results side by side.
"""
