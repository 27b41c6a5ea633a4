"""Methods side by side: their accuracy, their time, their memory."""
