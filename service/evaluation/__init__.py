"""What protection and recovery are worth, measured on photos through files. Offline: no part of serving."""
