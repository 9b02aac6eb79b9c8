"""The command line: the program, its options, and where its output goes. Nothing else makes a Console."""
