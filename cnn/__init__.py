"""The fixed convolutional network and the trainer."""
