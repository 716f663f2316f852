"""The endpoint: what clients see, what the model does, and which replicas do it."""

from __future__ import annotations

from panels import Board, Graph, Stat, Variable, mean_and_95, quantiles, rate

APP = 'application=~"$application"'
OURS = f'{{{APP},NodeAddress=~"$node"}}'
OURS_5XX = f'{{{APP},NodeAddress=~"$node",code=~"5.."}}'
CHOSEN = f'{{{APP},deployment=~"$deployment"}}'

REQUESTS = "ray_isnet_requests_total"
ERRORS = f"({rate(REQUESTS, OURS_5XX)} or vector(0)) / {rate(REQUESTS, OURS)}"
ERROR_WORDS = "Share of answers with a 5xx status, refusals for overload included."
BY_DEPLOYMENT = "{{application}} {{deployment}}"

BOARD = Board(
    name="serve",
    title="ISNet endpoint",
    description=(
        "The inpainting endpoint on Ray Serve: what clients see, what the model does, and which "
        "replicas do it."
    ),
    variables=[
        Variable(
            name="application",
            label="Application",
            description="Applications of Ray Serve.",
            query="label_values(ray_serve_deployment_status, application)",
        ),
        Variable(
            name="deployment",
            label="Deployment",
            description="Chooses among the replicas.",
            query=f"label_values(ray_serve_deployment_status{{{APP}}}, deployment)",
        ),
        Variable(
            name="node",
            label="Node",
            description="Nodes that run an ingress or model replica.",
            query=(
                'label_values({__name__=~"ray_isnet_in_flight|ray_isnet_waiting", '
                f"{APP}}}, NodeAddress)"
            ),
        ),
    ],
    stats=[
        Stat(
            title="Requests per second",
            description="Answers of any status.",
            query=rate(REQUESTS, OURS),
            unit="reqps",
            decimals=2,
        ),
        Stat(
            title="Error ratio",
            description=ERROR_WORDS,
            query=ERRORS,
            unit="percentunit",
            decimals=2,
            most=1,
            steps=[("green", None), ("orange", 0.01), ("red", 0.05)],
        ),
        Stat(
            title="Latency, 95 %",
            description="Nineteen of twenty requests are answered within this time.",
            query=quantiles("ray_isnet_request_seconds", OURS, shares=[0.95])["95 %"],
            unit="s",
            decimals=2,
            steps=[("green", None), ("orange", 10), ("red", 30)],
        ),
        Stat(
            title="In flight",
            description="Requests that the ingress is working on.",
            query=f"sum(ray_isnet_in_flight{OURS})",
        ),
        Stat(
            title="Waiting regions",
            description="Regions that wait for their first pass.",
            query=f"sum(ray_isnet_waiting{OURS})",
        ),
        Stat(
            title="Healthy replicas",
            description="Replicas of the chosen deployments that pass their health check.",
            query=f"sum(ray_serve_deployment_replica_healthy{CHOSEN}) or vector(0)",
            steps=[("red", None), ("green", 1)],
        ),
    ],
    graphs={
        "Requests": [
            Graph(
                title="Requests per second by status",
                queries={"{{code}}": rate(REQUESTS, OURS, "code")},
                unit="reqps",
                stacked=True,
                colors={"/^2../": "green", "/^4../": "orange", "/^5../": "red"},
            ),
            Graph(
                title="Error ratio",
                description=ERROR_WORDS,
                queries={"5xx": ERRORS},
                unit="percentunit",
                most=1,
            ),
            Graph(
                title="Latency by route",
                description=(
                    "Whole requests at the ingress, uploads and streams included. Quantiles are as "
                    "fine as the histogram's buckets."
                ),
                queries=quantiles("ray_isnet_request_seconds", OURS, "route"),
                unit="s",
            ),
            Graph(
                title="Rejected per second by reason",
                description=(
                    "The error codes of the answers. `overloaded` asks for more replicas; the "
                    "others are the clients' to mend."
                ),
                queries={"{{reason}}": rate("ray_isnet_rejected_total", OURS, "reason")},
                unit="reqps",
                stacked=True,
            ),
            Graph(
                title="In flight by ingress replica",
                queries={"{{replica}}": f"sum by (replica) (ray_isnet_in_flight{OURS})"},
                decimals=0,
                stacked=True,
            ),
            Graph(
                title="Retries per second",
                description=(
                    "Calls of a model replica that failed, mostly because it died, and were tried "
                    "again without the client noticing."
                ),
                queries={"retries": rate("ray_isnet_retries_total", OURS)},
                unit="ops",
            ),
        ],
        "Model": [
            Graph(
                title="Waiting regions by model replica",
                queries={"{{replica}}": f"sum by (replica) (ray_isnet_waiting{OURS})"},
                decimals=0,
                stacked=True,
            ),
            Graph(
                title="Queue wait",
                description="From a region's arrival in a model replica to its first pass.",
                queries=quantiles("ray_isnet_queue_seconds", OURS),
                unit="s",
            ),
            Graph(
                title="Model time",
                description="From a region's first pass to the end of its last.",
                queries=quantiles("ray_isnet_model_seconds", OURS),
                unit="s",
            ),
            Graph(
                title="Batch size",
                description="Images in one pass.",
                queries=mean_and_95("ray_isnet_batch_size", OURS),
                decimals=1,
            ),
            Graph(
                title="Passes",
                description="Passes that a region took.",
                queries=mean_and_95("ray_isnet_passes", OURS),
                decimals=1,
            ),
            Graph(
                title="Work per second",
                description="Regions filled, and images taken through one pass.",
                queries={
                    "regions": rate("ray_isnet_passes_count", OURS),
                    "image passes": rate("ray_isnet_batch_size_sum", OURS),
                },
                unit="ops",
            ),
        ],
        "Replicas": [
            Graph(
                title="Healthy replicas",
                description="As Ray Serve's controller sees them, wherever they run.",
                queries={
                    BY_DEPLOYMENT: "sum by (application, deployment) "
                    f"(ray_serve_deployment_replica_healthy{CHOSEN})"
                },
                decimals=0,
            ),
            Graph(
                title="Queued by Ray Serve",
                description="Calls that wait in a proxy or handle for a replica with room.",
                queries={
                    BY_DEPLOYMENT: "sum by (application, deployment) "
                    f"(ray_serve_deployment_queued_queries{CHOSEN})"
                },
                decimals=0,
                stacked=True,
            ),
            Graph(
                title="Replicas started",
                description=(
                    "Since the nodes joined the cluster: each step up is a deployment, a scale-up "
                    "or a replacement."
                ),
                queries={
                    BY_DEPLOYMENT: "sum by (application, deployment) "
                    f"(ray_serve_deployment_replica_starts_total{CHOSEN})"
                },
                decimals=0,
            ),
        ],
    },
)
