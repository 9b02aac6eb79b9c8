"""The network: neurons, elastic layers, stem, encoder and the supernet that holds every subnet's weights."""
