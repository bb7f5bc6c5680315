"""Offline training of the denoiser."""
