"""The ground: paths, files, locks, random streams, devices, numerics. It knows no other room."""
