"""How workers find one another: the backend, and what must stand in each worker's environment."""

from labkit.exercises import Case, Exercise, Misconception, register


def rendezvous(machine):
    """The backend, and the environment of the worker that `machine` describes."""
    per_node = machine["workers"]
    backend = "nccl" if machine["gpus"] >= per_node else "gloo"  # NCCL: a GPU of its own for each worker
    return backend, {
        "RANK": str(machine["node"] * per_node + machine["local_rank"]),
        "WORLD_SIZE": str(machine["nodes"] * per_node),
        "LOCAL_RANK": str(machine["local_rank"]),
        "MASTER_ADDR": machine["addresses"][0],
        "MASTER_PORT": str(machine["port"]),
    }


def _by_listing_all_workers(machine):
    everyone = [(node, local) for node in range(machine["nodes"]) for local in range(machine["workers"])]
    me = (machine["node"], machine["local_rank"])
    values = {
        "MASTER_ADDR": machine["addresses"][0], "MASTER_PORT": machine["port"], "LOCAL_RANK": me[1],
        "RANK": everyone.index(me), "WORLD_SIZE": len(everyone),
    }  # fmt: skip
    return ("gloo" if machine["gpus"] < machine["workers"] else "nccl"), {key: f"{v}" for key, v in values.items()}


def _by_divmod(machine):
    world, rank = 0, 0
    for node in range(machine["nodes"]):
        if node < machine["node"]:
            rank += machine["workers"]
        world += machine["workers"]
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    first = next(iter(machine["addresses"]))
    values = (rank + machine["local_rank"], world, machine["local_rank"], first, machine["port"])
    backend = ["gloo", "nccl"][machine["gpus"] // machine["workers"] > 0]
    return [backend, dict(zip(names, map(str, values), strict=True))]


def _always_nccl(machine):
    return "nccl", rendezvous(machine)[1]


def _local_rank_as_rank(machine):
    backend, environment = rendezvous(machine)
    return backend, environment | {"RANK": str(machine["local_rank"])}


def _nodes_as_world(machine):
    backend, environment = rendezvous(machine)
    return backend, environment | {"WORLD_SIZE": str(machine["nodes"])}


def _own_workers_as_world(machine):
    backend, environment = rendezvous(machine)
    return backend, environment | {"WORLD_SIZE": str(machine["workers"])}


def _own_address(machine):
    backend, environment = rendezvous(machine)
    return backend, environment | {"MASTER_ADDR": machine["addresses"][machine["node"]]}


def _numbers(machine):
    backend, environment = rendezvous(machine)
    return backend, {key: int(value) if value.isdigit() else value for key, value in environment.items()}


def _one_gpu_will_do(machine):
    return ("nccl" if machine["gpus"] > 0 else "gloo"), rendezvous(machine)[1]


def _always_gloo(machine):
    return "gloo", rendezvous(machine)[1]


def _rank_as_local_rank(machine):
    backend, environment = rendezvous(machine)
    return backend, environment | {"LOCAL_RANK": environment["RANK"]}


def _nodes_before_for_workers_before(machine):
    backend, environment = rendezvous(machine)
    return backend, environment | {"RANK": str(machine["node"] * machine["nodes"] + machine["local_rank"])}


def _machine(node, local_rank, *, nodes, workers, gpus, port=29500):
    addresses = [f"10.0.0.{i + 1}" for i in range(nodes)]
    return {"node": node, "local_rank": local_rank, "nodes": nodes, "workers": workers, "gpus": gpus,
            "addresses": addresses, "port": port}  # fmt: skip


def _random(rng):
    made = []
    for gpus_a_worker in (0, 1, 1, 0):
        nodes, workers = (int(n) for n in rng.integers(2, 6, size=2))
        node, local = int(rng.integers(1, nodes)), int(rng.integers(0, workers))
        port = int(rng.integers(20000, 60000))
        made.append(_machine(node, local, nodes=nodes, workers=workers, gpus=gpus_a_worker * workers, port=port))
    few = _machine(1, 1, nodes=2, workers=4, gpus=int(rng.integers(1, 4)), port=29511)
    return tuple(Case(args=(machine,)) for machine in (*made, few))


register(
    Exercise(
        id="ddp.rendezvous",
        lesson="08_bert_ddp",
        title="Five variables and a backend",
        difficulty=2,
        minutes=8,
        question="Give the backend that this worker's machine allows, and the environment in which it finds the rest.",
        reference=rendezvous,
        public=(
            Case(args=(_machine(0, 1, nodes=1, workers=2, gpus=0),), note="a laptop: the second of two workers"),
            Case(args=(_machine(1, 2, nodes=2, workers=4, gpus=4),), note="two nodes, a GPU for each of eight workers"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="NCCL whatever the machine has",
                answer=_always_nccl,
                hint="Your backend is always NCCL, as in the article's listing. It moves data between GPUs: what "
                "happens on a machine that has none?",
            ),
            Misconception(
                name="one GPU for all",
                answer=_one_gpu_will_do,
                hint="NCCL needs more than *a* GPU: two workers on one and the same GPU are refused. How many does a "
                "node with four workers need?",
            ),
            Misconception(
                name="gloo whatever the machine has",
                answer=_always_gloo,
                hint="Your backend is always gloo. It runs everywhere, but where each worker has a GPU of its own, "
                "NCCL moves data between them much faster.",
            ),
            Misconception(
                name="local rank as rank",
                answer=_local_rank_as_rank,
                hint="Your RANK starts at 0 again on every node. The group has one numbering for all nodes: how many "
                "workers come before this node's first one?",
            ),
            Misconception(
                name="rank as local rank",
                answer=_rank_as_local_rank,
                hint="Your LOCAL_RANK goes on counting from node to node. It is the number on the node: a worker "
                "chooses its GPU by it.",
            ),
            Misconception(
                name="multiplies with the nodes",
                answer=_nodes_before_for_workers_before,
                hint="Your RANK takes the number of nodes for the number of workers on each. With two nodes of four "
                "workers, how many workers come before the first one of node 1?",
            ),
            Misconception(
                name="counts nodes",
                answer=_nodes_as_world,
                hint="Your WORLD_SIZE is the number of nodes. The group counts processes.",
            ),
            Misconception(
                name="counts this node's workers only",
                answer=_own_workers_as_world,
                hint="Your WORLD_SIZE is right on one node. With two nodes, half of the group would wait for nobody "
                "and the other half would never be let in.",
            ),
            Misconception(
                name="every node its own address",
                answer=_own_address,
                hint="Each of your nodes waits for the others at its own address. All must meet at one place: where "
                "does the worker with rank 0 run?",
            ),
            Misconception(
                name="numbers in the environment",
                answer=_numbers,
                hint="The values are right, but environment variables are text: os.environ refuses a number.",
            ),
        ),
        alternatives=(_by_listing_all_workers, _by_divmod),
        hints=(
            "Number all processes of the group from 0: first those of node 0, then those of node 1.",
            "All workers meet at the address of the node with rank 0, at the same port.",
            "NCCL only where the node has at least as many GPUs as workers, else gloo. Every value as text: str(…).",
        ),
    )
)
