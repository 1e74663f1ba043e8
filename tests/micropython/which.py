import sys

print(sys.implementation.name, sys.version)
