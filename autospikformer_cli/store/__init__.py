"""What is kept between commands: runs, supernets, populations, evaluations. The only importer of h5py."""
