"""A reverse proxy for tests: takes TLS and hands the bytes on. Prints `listening PORT`."""

import argparse
import asyncio
import ssl
import sys
import threading

parser = argparse.ArgumentParser()
parser.add_argument("--certificate", required=True)
parser.add_argument("--key", required=True)
parser.add_argument("--to-port", type=int, required=True)
options = parser.parse_args()


async def hand_on(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", options.to_port)
    await asyncio.gather(hand_on(reader, inner_writer), hand_on(inner_reader, writer))


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    # Ends with the test that started it: when its end of the pipe closes.
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set_result, None)), daemon=True).start()
    await ended


asyncio.run(main())
