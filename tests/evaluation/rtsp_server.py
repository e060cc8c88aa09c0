"""A real RTSP server on loopback for one client: it sends an MPEG-2 video over TCP."""

import contextlib
import socket
import threading

import av

_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 32\r\n"


@contextlib.contextmanager
def rtsp_server(frames, fps=25):
    """Serves uint8 RGB frames once; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, frames, fps), daemon=True)
        thread.start()
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/video"
        thread.join(30)


def _serve(server, frames, fps):
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as requests:
        while (request := _read_request(requests)) is not None:
            method, sequence = request
            body = _SDP if method == "DESCRIBE" else ""
            extra = {
                "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
                "DESCRIBE": "Content-Type: application/sdp\r\n",
                "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
            }.get(method, "")
            connection.sendall(
                f"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\nSession: 1\r\n{extra}"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            if method == "PLAY":
                for packet in _rtp_packets(frames, fps):
                    connection.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
                return  # the end of the stream


def _read_request(requests):
    lines = []
    for line in iter(requests.readline, b""):
        if not line.strip():
            break
        lines.append(line.decode())
    if not lines:
        return None
    fields = dict(line.strip().split(": ", 1) for line in lines[1:])
    return lines[0].split()[0], fields["CSeq"]


def _rtp_packets(frames, fps):
    """The RTP packets that FFmpeg sends over UDP for the video."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.setblocking(False)
        address = f"rtp://127.0.0.1:{receiver.getsockname()[1]}"
        with av.open(address, "w", format="rtp") as container:
            stream = container.add_stream("mpeg2video", rate=fps, pix_fmt="yuv420p")
            stream.height, stream.width = frames[0].shape[:2]
            stream.gop_size, stream.max_b_frames = 1, 0
            pictures = [av.VideoFrame.from_ndarray(each, format="rgb24") for each in frames]
            for picture in [*pictures, None]:
                for packet in stream.encode(picture):
                    container.mux(packet)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        yield receiver.recv(1 << 16)
