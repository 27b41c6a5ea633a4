"""Where a student is cut, and which map each module learns."""
