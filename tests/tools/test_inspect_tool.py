"""tools/inspect_dataset.py as a user calls it."""

import functools
import shutil

import processes

inspect = functools.partial(processes.run_tool, "inspect_dataset")


def test_a_whole_folder_and_its_contact_sheet(motion_shards, tmp_path):
    sheet = tmp_path / "clips.png"
    arguments = [f"--data_dir={motion_shards}", f"--contact_sheet={sheet}", "--num_clips=2"]
    arguments += ["--num_frames=4", "--columns=4", "--image_size=32", "--norandom_flip"]
    done = inspect(*arguments, "--sheet_split=val", "--color_jitter=0.4", "--mixup_alpha=0.8")
    assert done.returncode == 0, done.stderr
    assert "val: 10 clips, 120 frames, 4.8 s, " in done.stdout
    assert f"no problems found\nwritten to {sheet}\n" in done.stdout
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_problems_are_exit_code_1_and_mistakes_2(motion_shards, tmp_path):
    folder = shutil.copytree(motion_shards, tmp_path / "copy")
    shard = sorted(folder.glob("val-*"))[0]
    shard.write_bytes(shard.read_bytes()[:-10])
    done = inspect(f"--data_dir={folder}")
    assert done.returncode == 1, done.stderr
    assert (
        f"problem: {shard.name}, record 9: the shard is damaged, or cut off, from here on"
        in done.stdout
    )
    assert "2 problems found" in done.stdout
    done = inspect(f"--data_dir={folder}", "--scale_jitter=0.5")
    assert done.returncode == 2
    message = "`scale_jitter` must be from 1 to 10. Received: scale_jitter=0.5"
    assert done.stderr.splitlines()[-1] == f"inspect_dataset: {message}"
