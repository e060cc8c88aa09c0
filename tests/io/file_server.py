"""Serves the files of a folder under /shards: python file_server.py FOLDER PORT."""

import sys

import flask

folder, port = sys.argv[1:]
flask.Flask("files", static_folder=folder, static_url_path="/shards").run("127.0.0.1", int(port))
