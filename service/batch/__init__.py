"""Whole folders and buckets of images: one committed result for each, however often the work is interrupted."""
