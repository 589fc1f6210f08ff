"""Look installed packages up among known vulnerabilities: `audit.py PYTHON`, whose packages are meant.

Where no list of vulnerabilities can be reached, pip-audit finds none and ends well. So it is first asked for one that every
list has; when it does not know that, nothing was audited, and that is what is said.
"""

# ruff: noqa: T201 - what it finds is printed

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

KNOWN = "requests==2.19.0"
"""Sends passwords on to other hosts (CVE-2018-18074)."""
SERVICES = ("pypi", "osv")
SKIPPED = "audit: skipped: no advisory data"


def vulnerable(report: dict[str, Any]) -> dict[str, list[str]]:
    """The ids of what is known of each package, by its name and version.

    >>> vulnerable({"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}, {"name": "b"}]})
    {'a 1': ['CVE-1']}
    """
    found = ((one, one.get("vulns", [])) for one in report["dependencies"])
    return {
        f"{one['name']} {one['version']}": [vulnerability["id"] for vulnerability in known] for one, known in found if known
    }


def audit(service: str, *what: str) -> dict[str, Any] | None:
    """What pip-audit reports; None where it cannot ask."""
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json", "--progress-spinner", "off",
         "--timeout", "20", *what],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return None
    return report


def main(python: str) -> int:
    """The exit status: 1 where something is vulnerable, 0 where nothing is known to be, or nothing could be looked up."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary.txt"
        canary.write_text(KNOWN + "\n", encoding="utf-8")
        for service in SERVICES:
            known = audit(service, "--requirement", str(canary), "--no-deps", "--disable-pip")
            if known is None or not vulnerable(known):
                continue
            report = audit(service, "--path", packages, "--skip-editable")
            if report is None:
                continue
            found = vulnerable(report)
            for name, ids in found.items():
                print(f"audit: {name}: {', '.join(ids)}")
            print(
                f"audit: {len(report['dependencies'])} packages looked up by {service}, {len(found)} with a known vulnerability"
            )
            return 1 if found else 0
    print(SKIPPED)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
