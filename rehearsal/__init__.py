"""A cluster of separate hosts on one machine, on which what happens to real clusters is rehearsed.

    sudo make rehearsal                        # every scene; about fifteen minutes on two cores
    python -m rehearsal train bulk             # some of them, as root

Each host is a network namespace with an address, a hostname, processes, shared memory and temporary
files of its own: a head, two workers, an MLflow server with PostgreSQL, an S3 server. The hosts
start with the scripts (`cluster/start/`) and the environment (`cluster/Dockerfile`) of a real
cluster's, jobs are submitted as to one, and in every scene a host is lost.
"""
