"""Durable sagas: a list of named steps, each with its compensation, that survive a crash at any point.

``definition`` holds the vocabulary, ``engine`` starts and runs them.
"""
