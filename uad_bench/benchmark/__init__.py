"""Run, score and evaluate: from a request to the records it produces."""
