"""timm's pretrained weights, from the Hugging Face cache or, where it lacks them, from the network."""

from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import timm
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from safetensors import SafetensorError
from torch.hub import get_dir

from models.checkpoints.files import Checkpoint
from scaler.errors import ScalerError

# Source: timm's load_state_dict_from_hf, which prefers safetensors to PyTorch's pickles.
_FILES = ("model.safetensors", "pytorch_model.bin")
_WAIT_S = 10.0  # for an answer of the network, before it counts as missing
_DAMAGED = (RuntimeError, OSError, SafetensorError, ValueError, LookupError, EOFError)


def read_pretrained(name: str) -> Checkpoint:
    """Return the pretrained weights of timm's model ``name``, as timm's own loading code fits them to it.

    Raises:
        ScalerError: if timm has no weights of that name, they are neither in the cache nor to be had from the network, or the
            file is damaged.
    """
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None or not (cfg.hf_hub_id or cfg.url):
        raise ScalerError(f"timm has no pretrained weights of {name!r}: {_tags(name)}")
    path = _hub_file(name, cfg.hf_hub_id) if cfg.hf_hub_id else _url_file(name, cfg.url)
    # A hub's file is a state dict, also where that of the authors is of another form. What has no hub's file timm fetches itself.
    overlay = {"file": str(path), "custom_load": False} if cfg.hf_hub_id else {}
    try:
        network = timm.create_model(name, pretrained=True, num_classes=cfg.num_classes, pretrained_cfg_overlay=overlay)
    except _DAMAGED as error:
        raise ScalerError(f"{path} holds no weights of {name} ({_first_line(error)}): delete it and fetch it again") from error
    return Checkpoint(network.state_dict())


def _tags(name: str) -> str:
    architecture = name.partition(".")[0]
    tagged = [known for known in timm.list_pretrained() if known.partition(".")[0] == architecture]
    return f"it has {', '.join(tagged)}" if tagged else "import a file of yours with --model"


def _hub_file(name: str, repo: str) -> Path:
    for file in _FILES:
        if found := _cached(repo, file):
            return found
    way_out = _hub_way_out(name, repo)
    _require_network(name, constants.ENDPOINT, way_out)
    for file in _FILES:
        try:
            return Path(hf_hub_download(repo, file))
        except EntryNotFoundError:
            continue
        except OSError as error:  # of the network too
            raise ScalerError(f"cannot fetch {file} of {repo} ({_first_line(error)}): {way_out}") from error
    raise ScalerError(f"the repository {repo} holds none of {', '.join(_FILES)}: import a file with --model {name}")


def _cached(repo: str, file: str) -> Path | None:
    """Return a repository's file in the cache; of a cache that was copied without its references, the newest snapshot's."""
    found = try_to_load_from_cache(repo, file)
    if isinstance(found, str):
        return Path(found)
    snapshots = Path(constants.HF_HUB_CACHE) / _folder(repo) / "snapshots"
    return max(snapshots.glob(f"*/{file}"), key=lambda path: path.stat().st_mtime, default=None)


def _folder(repo: str) -> str:
    return f"models--{repo.replace('/', '--')}"


def _hub_way_out(name: str, repo: str) -> str:
    return (
        f"where there is a network, run `hf download {repo} {_FILES[0]}` and copy {_folder(repo)} from its cache to "
        f"{constants.HF_HUB_CACHE}, or import the file with --model {name}"
    )


def _url_file(name: str, url: str) -> Path:
    """Return the file of PyTorch's cache in which timm keeps what it fetches from ``url``."""
    path = Path(get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.is_file():
        _require_network(name, url, f"fetch {url} where there is a network, and import the file with --model {name}")
    return path


def _require_network(name: str, address: str, way_out: str) -> None:
    """Check within seconds that ``address`` answers, since Hugging Face's library tries again for half a minute.

    Raises:
        ScalerError: if it does not, or the user has Hugging Face's library work offline.
    """
    if reason := "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else _unreachable(address):
        raise ScalerError(f"the weights of {name} are not in the cache and there is no network ({reason}): {way_out}")


def _unreachable(address: str) -> str:
    """Return the reason why ``address`` does not answer; empty if it does."""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=_WAIT_S):
            return ""
    except HTTPError:
        return ""  # an answer
    except (URLError, OSError) as error:
        return str(getattr(error, "reason", error))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
