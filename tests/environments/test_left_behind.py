"""What a killed build left in tmp/ goes with the next build of the same environment."""

from __future__ import annotations

from pathlib import Path

from deployments.building.environments import Builder, working_folder


def test_folders_and_lists_of_a_killed_build_go(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "environments", tmp_path, "nobody", print, lambda: False)
    (tmp_path / "environment-abc-1" / "bin").mkdir(parents=True)
    (tmp_path / "environment-abc-1.txt").write_text("numpy==2.4.6")
    (tmp_path / "environment-other-1.txt").write_text("of another build")

    working = working_folder(builder, "environment-abc")

    assert not working.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["environment-other-1.txt"]
