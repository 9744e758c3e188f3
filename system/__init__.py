"""What commands need of the operating system: files that appear as a whole, an orderly stop, progress on a terminal."""
