"""What a training costs in time and memory."""
