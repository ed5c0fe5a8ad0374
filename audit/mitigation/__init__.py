"""What to do about a disparity: remedies tried on equal terms, and the plan that follows from them."""
