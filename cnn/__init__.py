"""Numerics of trainable layers, and the one trainer that every network goes through."""
