"""What every command needs of the operating system: files that are replaced as a whole, an orderly stop, progress."""
