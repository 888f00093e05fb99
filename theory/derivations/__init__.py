"""Every claim derived by machine from the loss: one file per claim, one table to find them."""
