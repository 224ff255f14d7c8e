"""Run folders as an older version wrote them: without a journal, with a list of parts."""

import json


def make_older(run):
    """Turn a finished run into one of an older version."""
    (run / "journal.jsonl").unlink()
    parts = [part.relative_to(run).as_posix() for part in run.rglob("*.parquet")]
    manifest = {"format": 1, "status": "complete", "parts": parts}
    (run / "manifest.json").write_text(json.dumps(manifest), "utf-8")
