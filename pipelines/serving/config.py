"""What an endpoint is made from: the model, its limits, and how many replicas it has."""

# No `from __future__ import annotations`: Serve reads the type that `build_app` takes.

import ipaddress
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from isnet.config import InputError, ReconstructionConfig
from isnet.inference import Backend, Precision, check_backend
from isnet.inpainter import TRAINING_SCALE
from isnet.shipped import SMALL
from pipelines.confinement import lies_in
from pipelines.machine import cores
from pipelines.storage import printable

TOKEN_VARIABLE = "ISNET_TOKEN"
"""Environment variable with the token that clients must send."""


class EndpointSettings(BaseModel):
    """What the replicas of an endpoint go by. Another value means new replicas."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )

    tracking_uri: str = "sqlite:///mlflow.db"
    """MLflow server or database in which models:/... are looked up."""
    precision: Precision = "auto"
    """fp32, bf16, int8 (with the backend openvino, for networks of the design isnet), or auto: bf16
    where the device computes in it."""
    backend: Backend = "torch"
    """What computes: torch; compile: PyTorch's compiler, for few sizes; openvino: the fastest on
    CPUs, and for them alone, with isnet[openvino]."""
    scale: int = Field(TRAINING_SCALE, ge=16)
    """Shorter side in pixels at which the strategy `resize` solves a picture."""
    kernel_size: int = 15
    """Side of the dilation kernel of the reconstruction, odd."""
    threshold: float = 0.2
    """Hole ratio under which the reconstruction stops, unless a request says otherwise."""
    max_passes: int = 11
    """Most passes of the reconstruction; a request may ask for fewer."""
    max_batch: int = Field(8, ge=1)
    """Most regions in a pass; those share one of which it computes tiles of one size."""
    model_cpus: int = Field(1, ge=1)
    """Cores (and PyTorch threads) of a model replica."""

    max_bytes: int = Field(32 * 2**20, ge=1024)
    """Largest body of a request, in bytes."""
    max_pixels: int = Field(50_000_000, ge=1)
    """Largest picture, width x height."""
    max_region_pixels: int = Field(2**21, ge=256)
    """Most pixels that a pass may compute of a region, tiles and padding included; larger ones get
    413."""
    max_seconds: float = Field(120, gt=0)
    """Longest time that a request may take."""
    max_requests: int = Field(64, ge=1)
    """Most requests inside one ingress replica; more are turned away with 503."""
    max_requests_per_client: int = Field(32, ge=1)
    """Most requests of one token inside one ingress replica; more get 429."""
    tokens_file: str | None = None
    """File with the tokens that are accepted, one a line, beside the one in ISNET_TOKEN."""

    jobs_folder: str | None = None
    """Folder or URI where bulk jobs keep their state, uploads and results; without it there are no
    jobs. Every node must see it."""
    job_roots: tuple[str, ...] = ()
    """Folders or URIs that jobs may read and write by path; without any, jobs take uploads only."""
    job_actors: int = Field(1, ge=1)
    """Processes with the network in each job."""
    job_cpus: int = Field(1, ge=1)
    """CPUs (and PyTorch threads) of each."""
    job_gpus: float = Field(0, ge=0)
    """GPUs of each; a fraction shares one. None with the backend openvino."""
    max_running_jobs: int = Field(1, ge=1)
    """Most jobs that run at once; the others wait."""
    max_jobs_per_client: int = Field(8, ge=1)
    """Most jobs of one token that wait or run; more get 429."""
    max_upload_bytes: int = Field(256 * 2**20, ge=1024)
    """Largest upload of a job, in bytes."""
    max_unpacked_bytes: int = Field(2 * 2**30, ge=1024)
    """Most bytes that the archives of an upload may unpack to."""
    max_stored_bytes_per_client: int = Field(4 * 2**30, ge=1024)
    """Most bytes that the uploaded jobs of one token may keep, results included; more get 429."""
    job_days: float = Field(7, gt=0)
    """Jobs that ended longer ago are forgotten, with uploads and the results of uploads."""

    @model_validator(mode="after")
    def _check_jobs_folder(self) -> "EndpointSettings":
        for root in self.job_roots:
            if self.jobs_folder and lies_in(self.jobs_folder, root):
                raise InputError(
                    f"jobs_folder {printable(self.jobs_folder)} lies in {printable(root)} of "
                    "job_roots, where every client's jobs may read and write; name a folder outside"
                )
        return self

    @model_validator(mode="after")
    def _check_backend(self) -> "EndpointSettings":
        # Only OpenVINO is bound to a device, and it computes on the CPU whatever else is there.
        check_backend(self.precision, self.backend, "cpu")
        self._require_no_gpus("job_gpus", self.job_gpus)
        return self

    def _require_no_gpus(self, name: str, gpus: float) -> None:
        if self.backend == "openvino" and gpus:
            raise InputError(
                f"{name} is {gpus:g}, but the backend openvino computes on CPUs; leave {name} out, "
                "or the backend"
            )

    @model_validator(mode="after")
    def _check_reconstruction(self) -> "EndpointSettings":
        self.reconstruction()
        return self

    def reconstruction(self) -> ReconstructionConfig:
        """Return what requests start from; `InputError` for settings out of range."""
        return ReconstructionConfig(
            kernel_size=self.kernel_size, threshold=self.threshold, max_passes=self.max_passes
        )


class ServeConfig(EndpointSettings):
    """An endpoint. Every field can be given as `serve run pipelines.serve:build_app name=value`."""

    checkpoint: str = SMALL
    """The model: a shipped one's name, a checkpoint directory, an authors' .pth file, a URI of
    either, or models:/isnet@champion. In a file for `serve deploy`, the `user_config` of the
    deployment `Model` is its place: a change there is loaded without new replicas."""
    revision: str = ""
    """Any other text has an alias looked up in the registry again."""
    model_gpus: float = Field(0, ge=0)
    """GPUs of a model replica; a fraction shares one. None with the backend openvino."""
    model_replicas: int = Field(1, ge=1)
    """Processes that hold the network; the fewest, where they are scaled."""
    max_model_replicas: int | None = Field(None, ge=1)
    """Scale the model's replicas with the load, up to this many."""
    ingress_replicas: int = Field(1, ge=1)
    """Processes that decode, encode and answer; the fewest, where they are scaled."""
    max_ingress_replicas: int | None = Field(None, ge=1)
    """Scale the ingress replicas with the load, up to this many."""

    @model_validator(mode="after")
    def _check_model_gpus(self) -> "ServeConfig":
        self._require_no_gpus("model_gpus", self.model_gpus)
        return self

    @model_validator(mode="after")
    def _check_replicas(self) -> "ServeConfig":
        for least, most in (
            ("model_replicas", "max_model_replicas"),
            ("ingress_replicas", "max_ingress_replicas"),
        ):
            ceiling = getattr(self, most)
            if ceiling is not None and ceiling < getattr(self, least):
                raise InputError(
                    f"{most} is {ceiling}, below {least} {getattr(self, least)}; raise it"
                )
        return self

    def settings(self) -> EndpointSettings:
        """Return what the replicas go by."""
        return EndpointSettings(
            **{name: getattr(self, name) for name in EndpointSettings.model_fields}
        )


class LocalServeConfig(ServeConfig):
    """An endpoint on this machine, or on the cluster that `RAY_ADDRESS` names."""

    host: str = "127.0.0.1"
    """Address to listen on. Any but loopback needs a token in ISNET_TOKEN or --tokens-file."""
    port: int = Field(8000, ge=1, le=65535)
    """Port to listen on."""
    model_cpus: int = Field(default_factory=cores, ge=1)
    """Cores (and PyTorch threads) of a model replica; by default all of this machine."""
    jobs_folder: str | None = "runs/jobs"
    """Folder or URI where bulk jobs keep their state, uploads and results; None: no jobs."""


def read_tokens(settings: EndpointSettings) -> tuple[str, ...]:
    """Collect the accepted tokens, none for an open endpoint; `InputError` for a bad file."""
    tokens = [os.environ.get(TOKEN_VARIABLE, "")]
    path = settings.tokens_file
    if path is not None:
        try:
            tokens += Path(path).expanduser().read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"tokens_file {path} cannot be read: {error}") from error
        if not any(token.strip() for token in tokens[1:]):
            raise InputError(f"tokens_file {path} holds no token; put one on a line")
    found = tuple(token.strip() for token in tokens if token.strip())
    if not all(token.isascii() and token.isprintable() for token in found):
        raise InputError(
            f"a token in {TOKEN_VARIABLE} or tokens_file holds characters that not every client "
            "can send in a header; use letters, digits and punctuation of ASCII"
        )
    return found


def require_tokens_unless_loopback(host: str, tokens: tuple[str, ...]) -> None:
    """Refuse an endpoint that others can reach and that asks for no token."""
    if not tokens and not is_loopback(host):
        raise InputError(
            f"the endpoint would listen on {host}, where others can reach it, without a token; "
            f"set {TOKEN_VARIABLE} (or tokens_file), or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
