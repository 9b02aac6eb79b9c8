"""Files that outlive a command: runs, supernets, populations, evaluations, frames. Only this package imports h5py."""
