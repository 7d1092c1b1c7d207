"""What decides a step's result besides its arguments: the code and packages that it reaches."""
