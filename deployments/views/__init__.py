"""Pages of services, deploying, operations and targets. Views find, call one service, render."""
