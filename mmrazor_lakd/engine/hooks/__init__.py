"""What MMEngine's Runner calls in the course of a training."""
