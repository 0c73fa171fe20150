"""Fitting Gaussians to a picture: initialisation, losses, density control, and the loop."""
