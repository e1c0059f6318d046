"""How JupyterLab's server talks to a kernel: every message at once, so that a slider feels light."""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

__all__ = ["PromptConnection"]


class PromptConnection(ZMQChannelsWebsocketConnection):
    """The server's usual connection, with small messages sent at once and not collected.

    A slider's answer is several small messages. TCP holds the second back until the browser has confirmed the
    first, and the browser takes up to 40 ms to confirm: longer than it takes to draw the picture.
    Source: J. Nagle, "Congestion Control in IP/TCP Internetworks", RFC 896; the option is TCP_NODELAY.

    >>> issubclass(PromptConnection, ZMQChannelsWebsocketConnection)
    True
    """

    def connect(self):
        """Open the connection to the kernel, as the class above does."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
