"""Finding faces and laying integer geometry over them."""
