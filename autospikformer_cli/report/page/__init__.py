"""One page of a search's results that works without a network: the data, the HTML file, and its script and style."""
