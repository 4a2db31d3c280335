"""Files that refer to other files and to addresses, for R3: playlists, manifests, reference movies.

Each names the file `{secret}`, which is a whole video elsewhere, or the address `{url}` of a port
that listens. A reader that follows one opens what was not handed in.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import av

from benchmarks.trust.films import film

__all__ = ["ADDRESSES", "references"]

HLS = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:10\n"
# By name; {secret} is a path, {url} an address without the file's name.
TEXTS = {
    "list.m3u8": HLS + "#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n",
    "list.mp4": HLS + "#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n",
    "list.mkv": HLS + "#EXTINF:10,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    "list_net.mp4": HLS + "#EXTINF:10,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "list_net.m3u8": HLS + "#EXTINF:10,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "list_key.m3u8": HLS + '#EXT-X-KEY:METHOD=AES-128,URI="file://{secret}"\n#EXTINF:9,\na.ts\n',
    "list_map.m3u8": HLS + '#EXT-X-MAP:URI="{secret}"\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n',
    "list_range.m3u8": HLS + "#EXTINF:9,\n#EXT-X-BYTERANGE:400@0\n{secret}\n#EXT-X-ENDLIST\n",
    "master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{secret}\n",
    "master_net.mp4": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/a.m3u8\n",
    "concat_in_list.m3u8": HLS + "#EXTINF:9,\nconcat:{secret}|{secret}\n#EXT-X-ENDLIST\n",
    "subfile_in_list.m3u8": HLS + "#EXTINF:9,\nsubfile,,start,0,end,9,,:{secret}\n",
    "crypto_in_list.m3u8": HLS + "#EXTINF:9,\ncrypto+file:{secret}\n#EXT-X-ENDLIST\n",
    "data_in_list.m3u8": HLS + "#EXTINF:9,\ndata:video/mp2t;base64,R0A=\n#EXT-X-ENDLIST\n",
    "concat.txt": "ffconcat version 1.0\nfile '{secret}'\n",
    "concat.mp4": "ffconcat version 1.0\nfile '{secret}'\n",
    "concat_net.mp4": "ffconcat version 1.0\nfile '{url}/a.mp4'\n",
    "concat_near.ffconcat": "ffconcat version 1.0\nfile secret.mp4\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "manifest.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT10S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{secret}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "manifest_net.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
    'type="static" mediaPresentationDuration="PT10S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{url}/a.mp4</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "packing.xml": '<AssetMap xmlns="http://www.smpte-ra.org/schemas/429-9/2007/AM"><AssetList>'
    "<Asset><ChunkList><Chunk><Path>{secret}</Path></Chunk></ChunkList></Asset></AssetList>"
    "</AssetMap>",
    "list.pls": "[playlist]\nFile1={secret}\nNumberOfEntries=1\n",
    "list.asx": '<asx version="3.0"><entry><ref href="{url}/a.wmv"/></entry></asx>',
    "list.smil": '<smil><body><video src="{secret}"/></body></smil>',
    "list.wmv": "[Reference]\nRef1={url}/a.wmv\n",
    "redirect.mov": "RTSPtext\r\n{url}\r\n",
    "index.idx": "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n"
    "timestamp: 00:00:00:000, filepos: 000000000\n",
    "script.avs": 'AVISource("{secret}")\n',
    "script.vpy": 'import os\nopen("{secret}")\n',
    "graph.mp4": "movie={secret}[out0]\n",
    "vector.svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{secret}"/></svg>',
    "vector.mp4": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}/a.png"/></svg>',
    "frame%03d.jpg": "no picture",
    "glob*.png": "no picture",
}
# Given as a path where a file is meant.
ADDRESSES = (
    "{url}/a.mp4",
    "file:{secret}",
    "file://{secret}",
    "concat:{secret}|{secret}",
    "subfile,,start,0,end,0,,:{secret}",
    "crypto:{secret}",
    "async:file:{secret}",
    "cache:{secret}",
    "data:video/mp4;base64,AAAA",
    "pipe:0",
    "fd:0",
    "tcp://127.0.0.1:{port}",
    "udp://127.0.0.1:{port}",
    "rtsp://127.0.0.1:{port}/a",
    "rtmp://127.0.0.1:{port}/a",
    "ftp://127.0.0.1:{port}/a",
    "gopher://127.0.0.1:{port}/a",
    "\\\\127.0.0.1\\share\\a.mp4",
    "/dev/stdin",
    "/proc/self/mem",
)
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"dinf"}


def box(kind: bytes, content: bytes) -> bytes:
    """An ISO base media box (ISO/IEC 14496-12, 4.2)."""
    return struct.pack(">I", 8 + len(content)) + kind + content


def _with_data_reference(movie: bytes, entry: bytes) -> bytes:
    """The movie with another entry in each `dref`, all boxes around it grown."""
    out, at = b"", 0
    while at + 8 <= len(movie):
        size, kind = struct.unpack_from(">I4s", movie, at)
        content = movie[at + 8 : at + size]
        if kind in CONTAINERS:
            content = _with_data_reference(content, entry)
        elif kind == b"dref":
            content = struct.pack(">II", 0, 1) + entry
        out, at = out + box(kind, content), at + size
    return out


def _alias(secret: str) -> bytes:
    """A QuickTime alias record that names a file by its absolute path, as FFmpeg reads it."""
    name = Path(secret).name.encode()[:63]
    head = struct.pack(">4sHHH", b"\0" * 4, 150, 2, 0) + bytes([3]) + b"vol".ljust(27, b"\0")
    head += bytes(12) + bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    head += struct.pack(">HH", 2, 2) + bytes(16)
    paths = b""
    for kind, path in ((2, secret.replace("/", ":")), (18, secret)):
        data = path.encode()
        paths += struct.pack(">HH", kind, len(data)) + data + b"\0" * (len(data) % 2)
    return box(b"alis", bytes(4) + head + paths + struct.pack(">HH", 0xFFFF, 0))


def _movie(entry: Callable[[str, str], bytes]) -> Callable[[Path, str, str], None]:
    def make(path: Path, secret: str, url: str) -> None:
        film(path, muxer="mov")
        path.write_bytes(_with_data_reference(path.read_bytes(), entry(secret, url)))

    return make


def _redirect(kind: bytes) -> Callable[[Path, str, str], None]:
    """A movie that holds nothing but where another one is (QuickTime File Format, `rmra`)."""

    def make(path: Path, secret: str, url: str) -> None:
        target = (secret if kind == b"alis" else f"{url}/a.mov").encode() + b"\0"
        place = bytes(4) + kind + struct.pack(">I", len(target)) + target
        path.write_bytes(box(b"moov", box(b"rmra", box(b"rmda", box(b"rdrf", place)))))

    return make


def _linked(path: Path, secret: str, url: str) -> None:
    """Matroska that names its neighbours as files and in its tags, with an attached list."""
    clip = film(path.with_name("linked_.mkv"))
    with av.open(str(clip)) as source, av.open(str(path), "w") as out:
        out.metadata.update({"PREV_FILENAME": secret, "NEXT_FILENAME": secret, "URL": url})
        track = source.streams.video[0]
        copy = out.add_stream_from_template(track)
        list_bytes = TEXTS["concat.mp4"].format(secret=secret, url=url).encode()
        out.add_attachment("list.ffconcat", "text/plain", list_bytes)
        for packet in source.demux(track):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    clip.unlink()


MOVIES: dict[str, Callable[[Path, str, str], None]] = {
    "alias.mov": _movie(lambda secret, url: _alias(secret)),
    "alias_url.mov": _movie(lambda _, url: box(b"url ", bytes(4) + f"{url}/a.mov\0".encode())),
    "file_url.mov": _movie(
        lambda secret, _: box(b"url ", bytes(4) + f"file://{secret}\0".encode())
    ),
    "name.mov": _movie(lambda secret, url: box(b"urn ", bytes(4) + f"a\0{secret}\0".encode())),
    "redirect_alias.mov": _redirect(b"alis"),
    "redirect_url.mov": _redirect(b"url "),
    "linked.mkv": _linked,
}


def references(folder: Path, secret: Path, url: str) -> list[Path]:
    """Write every file that refers elsewhere into a folder; the paths to hand in."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        (folder / name).write_text(text.format(secret=secret, url=url), "utf-8")
    for name, make in MOVIES.items():
        make(folder / name, str(secret), url)
    return [folder / name for name in (*TEXTS, *MOVIES)]
