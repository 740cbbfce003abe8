"""What is hidden from a network: patches of images, nodes of graphs, columns of tables."""
