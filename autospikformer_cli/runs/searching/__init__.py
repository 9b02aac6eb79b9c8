"""A search in a run's folder: started, resumed, recorded and measured again."""
