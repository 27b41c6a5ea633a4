"""Choose where to cut a student, and which map each module learns."""
