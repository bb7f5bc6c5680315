"""Beyond one machine, on a Ray cluster: the engine as replicas, and crews for batches. The only room that knows Ray.

What crosses the cluster: faces on the model's grid, keys of single records, anonymized files and their encrypted
records. Neither master keys nor tokens nor the database ever do, and whole photos only where a node reads them.
"""
