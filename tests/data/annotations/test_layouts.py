"""Annotations in the forms in which datasets are published, written small by hand."""

import json

import pytest

from video_zoo.data import read_annotations


@pytest.fixture
def lists(tmp_path):
    """A function (name -> text or JSON) that makes a folder of annotation files."""

    def make(**files):
        folder = tmp_path / "annotations"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    return make


def told(found):
    return sorted((clip.clip_id, clip.label, clip.split) for clip in found.clips)


UCF = {
    "classInd.txt": "1 ApplyEyeMakeup\n2 Archery\n3 YoYo\n",
    "trainlist01.txt": "Archery/v_Archery_g08_c01.avi 2\r\nApplyEyeMakeup/v_A_g09_c01.avi 1\r\n",
    "testlist01.txt": "Archery/v_Archery_g01_c01.avi\nApplyEyeMakeup/v_A_g01_c02.avi\n",
    "trainlist02.txt": "Archery/v_Archery_g01_c01.avi 2\nApplyEyeMakeup/v_A_g01_c02.avi 1\n",
    "testlist02.txt": "Archery/v_Archery_g08_c01.avi\nApplyEyeMakeup/v_A_g09_c01.avi\n",
    "README.txt": "UCF101",
}


@pytest.fixture
def ucf(make_files):
    return make_files(
        "UCF-101/Archery/v_Archery_g08_c01.avi",
        "UCF-101/Archery/v_Archery_g01_c01.avi",
        "UCF-101/ApplyEyeMakeup/v_A_g09_c01.avi",
        "UCF-101/ApplyEyeMakeup/v_A_g01_c02.avi",
    )


def test_ucf101(ucf, lists):
    found = read_annotations(ucf, lists(**UCF))
    assert told(found) == [
        ("ApplyEyeMakeup/v_A_g01_c02", "ApplyEyeMakeup", "test"),
        ("ApplyEyeMakeup/v_A_g09_c01", "ApplyEyeMakeup", "train"),
        ("Archery/v_Archery_g01_c01", "Archery", "test"),
        ("Archery/v_Archery_g08_c01", "Archery", "train"),
    ]
    assert found.labels == ("ApplyEyeMakeup", "Archery", "YoYo")  # in the order of classInd.txt
    assert found.unnamed == ()


def test_another_published_division(ucf, lists):
    folder = lists(**UCF)
    second = read_annotations(ucf, folder, fold=2)
    assert ("Archery/v_Archery_g01_c01", "Archery", "train") in told(second)
    only = read_annotations(ucf, f"{folder}/trainlist02.txt,{folder}/testlist02.txt")
    assert told(only) == told(second)
    with pytest.raises(ValueError, match=r"`fold` must be one whose .*: 1, 2\. Received: fold=3"):
        read_annotations(ucf, folder, fold=3)
    with pytest.raises(ValueError, match="`fold` must be None for the layout class_folders"):
        read_annotations(ucf, fold=1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trainlist01.txt", "v_Archery_g08_c01.avi 2", "names no class"),
        ("trainlist01.txt", "Archery/v_Archery_g08_c01.avi 1", "another number than classInd.txt"),
        ("testlist01.txt", "Bowling/v_Archery_g08_c01.avi", "a class that classInd.txt lacks"),
        ("classInd.txt", "Archery", "is not a number and a class"),
    ],
)
def test_bad_lists_of_ucf101(ucf, lists, name, text, message):
    with pytest.raises(ValueError, match=message) as error:
        read_annotations(ucf, lists(**UCF | {name: text}))
    assert name in str(error.value)


def test_hmdb51(make_files, lists):
    videos = make_files("wave/a.avi", "wave/b.avi", "wave/c.avi", "sit/a.avi", "sit/d.avi")
    folder = lists(
        **{
            "wave_test_split1.txt": "a.avi 1 \nb.avi 2 \nc.avi 0 \n",
            "sit_test_split1.txt": "a.avi 2 \nd.avi 1 \n",
            "wave_test_split2.txt": "a.avi 2 \nb.avi 1 \nc.avi 0 \n",
            "sit_test_split2.txt": "a.avi 1 \nd.avi 2 \n",
        }
    )
    found = read_annotations(videos, folder)
    assert told(found) == [
        ("sit/a", "sit", "test"),
        ("sit/d", "sit", "train"),
        ("wave/a", "wave", "train"),
        ("wave/b", "wave", "test"),
    ]
    sitting = {clip.path for clip in found.clips if clip.label == "sit"}
    assert sitting == {str(videos / "sit/a.avi"), str(videos / "sit/d.avi")}
    assert found.unnamed == found.duplicates == ()
    assert ("wave/b", "wave", "train") in told(read_annotations(videos, folder, fold=2))
    (folder / "wave_test_split1.txt").write_text("a.avi 3")
    with pytest.raises(ValueError, match="'a.avi 3' is not a video and 0, 1 or 2"):
        read_annotations(videos, folder)


SOMETHING = {
    "train.json": [
        {
            "id": "1",
            "label": "holding a potato",
            "template": "Holding [something]",
            "placeholders": ["a potato"],
        },
        {"id": "2", "label": "x", "template": "Pushing [something] from [somewhere]"},
    ],
    "validation.json": [
        {"id": "3", "label": "y", "template": "Holding [something]"},
        {"id": "4", "label": "z", "template": "Pushing [something] from [somewhere]"},
    ],
    "test.json": [{"id": "5"}, {"id": "6"}],
    "labels.json": {
        "Pushing something from somewhere": "0",
        "Holding something": "1",
        "Tearing something": "2",
    },
}


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_something_something_v2(make_files, lists, prefix):
    videos = make_files(*(f"20bn/{n}.webm" for n in range(1, 7)))
    folder = lists(**{prefix + name: content for name, content in SOMETHING.items()})
    found = read_annotations(videos, folder)
    pushing, holding = "Pushing something from somewhere", "Holding something"
    assert told(found) == [
        ("1", holding, "train"),
        ("2", pushing, "train"),
        ("3", holding, "val"),
        ("4", pushing, "val"),
        ("5", "", "test"),
        ("6", "", "test"),
    ]
    assert found.labels == (pushing, holding, "Tearing something")


def test_answers_of_something_something_v2(make_files, lists):
    videos = make_files(*(f"{n}.webm" for n in range(1, 7)))
    answers = {"test-answers.csv": "5;Holding something\n6;Pushing something from somewhere\n"}
    found = told(read_annotations(videos, lists(**SOMETHING, **answers)))
    assert found[4:] == [
        ("5", "Holding something", "test"),
        ("6", "Pushing something from somewhere", "test"),
    ]


@pytest.mark.parametrize("name", ["something-something-v1", "jester-v1"])
def test_lists_with_semicolons_and_folders_of_frames(make_files, lists, name):
    videos = make_files(*(f"{video}/{n:05d}.jpg" for video in (1, 2, 3, 4, 5) for n in range(1, 4)))
    folder = lists(
        **{
            f"{name}-train.csv": "1;Swiping Left\n2;Doing other things\n",
            f"{name}-validation.csv": "3;Swiping Left\n4;Doing other things\n",
            f"{name}-test.csv": "5\n",
            f"{name}-labels.csv": "Swiping Left\nDoing other things\n",
        }
    )
    found = read_annotations(videos, folder)
    assert told(found) == [
        ("1", "Swiping Left", "train"),
        ("2", "Doing other things", "train"),
        ("3", "Swiping Left", "val"),
        ("4", "Doing other things", "val"),
        ("5", "", "test"),
    ]
    assert found.labels == ("Swiping Left", "Doing other things")
    assert found.frame_folders == tuple(str(videos / str(n)) for n in range(1, 6))


ACTIVITY = {
    "version": "VERSION 1.3",
    "taxonomy": [],
    "database": {
        "aaaaaaaaaaa": {
            "duration": 60.0,
            "subset": "training",
            "url": "https://www.youtube.com/watch?v=aaaaaaaaaaa",
            "annotations": [
                {"label": "Long jump", "segment": [1.5, 10]},
                {"label": "Yoga", "segment": [20, 30.25]},
            ],
        },
        "bbbbbbbbbbb": {
            "subset": "validation",
            "annotations": [
                {"label": "Long jump", "segment": [0, 5]},
                {"label": "Yoga", "segment": [6, 8]},
            ],
        },
        "ccccccccccc": {"subset": "testing", "annotations": []},
    },
}


def test_activitynet(make_files, lists):
    videos = make_files("v_aaaaaaaaaaa.mp4", "val/bbbbbbbbbbb.mkv", "v_ccccccccccc.mp4")
    found = read_annotations(videos, lists(**{"activity_net.v1-3.min.json": ACTIVITY}))
    assert [(clip.label, clip.split, clip.start, clip.end) for clip in found.clips] == [
        ("", "test", None, None),
        ("Long jump", "train", 1.5, 10),
        ("Yoga", "train", 20, 30.25),
        ("Long jump", "val", 0, 5),
        ("Yoga", "val", 6, 8),
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {"annotations": []},
        {"subset": "dev", "annotations": []},
        {"subset": "training", "annotations": [{"label": "Yoga", "segment": [5, 4]}]},
        {"subset": "training", "annotations": [{"label": "Yoga", "segment": [5]}]},
        {"subset": "training", "annotations": [{"label": "Yoga", "segment": [5, float("inf")]}]},
        {"subset": "training", "annotations": [{"segment": [5, 6]}]},
        {"subset": "training", "annotations": 3},
        [],
    ],
)
def test_bad_entries_of_activitynet(make_files, lists, entry):
    file = lists(**{"a.json": {"database": {"v": entry}}}) / "a.json"
    with pytest.raises(ValueError, match='`annotations` must have valid entries.*lacks a "subset"'):
        read_annotations(make_files("v.mp4"), file)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.json", "[1]"),
        ("train.json", '[{"label": "x"}]'),
        ("train.json", '[{"id": "1", "template": 5}]'),
        ("train.json", '[{"id": "1"}]'),
        ("labels.json", '{"a": "x", "b": "1"}'),
        ("labels.json", '{"a": 1e999}'),
        ("train.json", "[{"),
        ("something-something-v1-train.csv", "1;\n"),
        ("jester-v1-train.csv", ";Swiping\n"),
    ],
)
def test_bad_entries_are_named_with_their_file(make_files, lists, name, content):
    file = lists(**{name: content}) / name
    layout = "something_v2" if name.endswith("json") else None
    with pytest.raises(ValueError, match="`annotations` must") as error:
        read_annotations(make_files("1.webm"), file, layout=layout)
    assert name in str(error.value)


def test_a_layout_that_is_given_is_not_guessed(make_files, lists):
    videos = make_files("1.webm", "2.webm")
    folder = lists(**{"my-train.json": SOMETHING["train.json"]})
    with pytest.raises(ValueError, match="must be of a layout that is known: .*Write a list"):
        read_annotations(videos, folder / "my-train.json")
    found = read_annotations(videos, folder / "my-train.json", layout="something_v2")
    assert [clip.split for clip in found.clips] == ["train", "train"]
    with pytest.raises(ValueError, match="a folder with lists of a layout that is known"):
        read_annotations(videos, folder)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        ({"layout": "ucf"}, "one of 'class_folders', 'ucf101'.*Did you mean 'ucf101'"),
        ({"layout": "ucf101"}, "'class_folders' or None without `annotations`"),
        ({"layout": "class_folders", "annotations": "x"}, ".* and another one with them"),
    ],
)
def test_layouts_that_do_not_go_with_the_rest(make_files, arguments, allowed):
    with pytest.raises(ValueError, match=f"`layout` must be {allowed}"):
        read_annotations(make_files("a/1.mp4"), **arguments)


def test_a_folder_of_kinetics_lists_with_its_json_beside(make_files, lists):
    videos = make_files("-aaaaaaaaaa_000000_000010.mp4", "_bbbbbbbbbb_000000_000010.mp4")
    header = "label,youtube_id,time_start,time_end,split\n"
    folder = lists(
        **{
            "train.csv": f"{header}yoga,-aaaaaaaaaa,0,10,train\n",
            "validate.csv": f"{header}yoga,_bbbbbbbbbb,0,10,validate\n",
            "train.json": {"-aaaaaaaaaa": {"annotations": {"label": "yoga"}, "subset": "train"}},
        }
    )
    found = read_annotations(videos, folder)
    assert told(found) == [("-aaaaaaaaaa", "yoga", "train"), ("_bbbbbbbbbb", "yoga", "val")]


CHARADES = {
    "Charades_v1_train.csv": (
        "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
        '46GP8,HR43,Kitchen,6,7,Yes,"A person, cooking.",food;stove,"One, two",'
        "c092 11.90 21.20;c147 0.00 12.60;c092 0.00 3.00,24.83\n"
        "N11GT,0KZ7,Stairs,5,5,Yes,Walks.,,Walks.,,31.00\n"
    ),
    "Charades_v1_test.csv": (
        "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
        "YSKX3,6RE8,Laundry,6,7,Yes,Runs.,,Runs.,c147 0.00 32.00,32.42\n"
        "GONE1,6RE8,Laundry,6,7,Yes,Runs.,,Runs.,c092 0.00 32.00,32.42\n"
    ),
    "Charades_v1_classes.txt": (
        "c092 Watching a laptop\nc093 Interacting with camera\nc147 Someone is cooking\n"
    ),
}


def test_charades(make_files, lists):
    folder = make_files("Charades_v1_480/46GP8.mp4", "Charades_v1_480/N11GT.mp4", "YSKX3.mp4")
    found = read_annotations(folder, lists(**CHARADES))
    assert found.multi_label
    assert found.labels == ("Watching a laptop", "Interacting with camera", "Someone is cooking")
    assert [(clip.clip_id, clip.labels, clip.split) for clip in found.clips] == [
        ("YSKX3", ("Someone is cooking",), "test"),
        ("N11GT", (), "train"),  # nothing of the list happens
        ("46GP8", ("Watching a laptop", "Someone is cooking"), "train"),
    ]
    assert found.missing == ("GONE1",)
    codes = read_annotations(folder, lists(**CHARADES) / "Charades_v1_train.csv")
    assert codes.labels == ("c092", "c147")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("Charades_v1_train.csv", "c147", "147", "has the action '147 0.00 12.60', not a code"),
        ("Charades_v1_train.csv", "c147", "c148", "the action c148, which the list of classes la"),
        ("Charades_v1_train.csv", "46GP8", "", "lacks an id"),
        ("Charades_v1_classes.txt", "c093", "93", "is not a code such as c092 and a class"),
        ("Charades_v1_classes.txt", "c093", "c092", "has the code of another class"),
        (
            "Charades_v1_classes.txt",
            "Someone is cooking",
            "Watching a laptop",
            "each class once in their list of classes. Received: Watching a laptop more than once",
        ),
    ],
)
def test_charades_lists_that_are_wrong(make_files, lists, name, old, new, message):
    folder = make_files("46GP8.mp4", "N11GT.mp4", "YSKX3.mp4")
    with pytest.raises(ValueError, match=message):
        read_annotations(folder, lists(**CHARADES | {name: CHARADES[name].replace(old, new)}))
