"""Tables, views, exports and the HTML report."""
