"""The packed file: everything needed to predict, in one safetensors file, as small as its contents allow."""

from labkit.pack.classifier import load, save
from labkit.pack.file import VERSION
from labkit.pack.listing import inspect, totals

__all__ = ["VERSION", "inspect", "load", "save", "totals"]
