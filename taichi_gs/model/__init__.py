"""What a picture of Gaussians is: floating-point values, and the integers that stand for them."""
