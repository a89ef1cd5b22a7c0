"""What lies beside a journal in a venue's data folder, and what each is checked for against the journal."""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit_trail.gateway_log import check_log, is_vouched_for
from gateway.audit_trail.records import Progress
from gateway.audit_trail.seals import SealError, check_all
from gateway.audit_trail.verify_registry import check_registry, summary
from gateway.config import Config


@dataclass
class Part:
    """A file or folder beside the journal: what is wrong with it, else in one line what was shown."""

    what: str
    summary: str = ""
    problems: list[str] = field(default_factory=list)


def seals_folder(journal: Path) -> Path:
    """Where the seals of a journal are kept unless another place is named."""
    return journal.parent / "seals"


def check_beside(journal: Path, key: Ed25519PublicKey | None, now_ns: int, progress: Progress) -> list[Part]:
    """Check a registry that lies beside a journal, and with the seals' public key the seals."""
    found: list[Part] = []
    registry = Config(data=str(journal.parent)).registry
    if registry.exists():
        checked = check_registry(journal, registry, progress)
        found.append(Part(str(registry), summary(checked), checked.problems))
    folder = Config(data=str(journal.parent)).gateway_log
    if folder.is_dir() or is_vouched_for(journal):
        log = check_log(journal, folder, progress)
        told = f"{log.records:,} records of the gateway are what the log vouches for"
        told += f"; the last {log.unvouched:,} of them it has yet to" if log.unvouched else ""
        found.append(Part(str(folder), told, log.problems))
    if key is not None:
        part = Part(str(seals_folder(journal)))
        try:
            sealed = check_all(journal, seals_folder(journal), key, now_ns, progress)
            last = max(sealed)
            part.summary = (
                f"{len(sealed):,} days, the last {last}, are what was sealed; its seal is {sealed[last].hash}"
            )
        except SealError as error:
            part.problems.append(str(error))
        found.append(part)
    return found
