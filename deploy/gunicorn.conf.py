"""How gunicorn serves HTTP in production. A variable of the environment changes each figure."""

import os

bind = f"{os.environ.get('HOST', '0.0.0.0')}:{os.environ.get('PORT', '8001')}"  # noqa: S104  # a container's only door
# Processes: about one for each core. Threads: each may wait for PostgreSQL, so that few processes are enough.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "8"))
# What all workers share is loaded once.
preload_app = True
# A request may hold a worker so long; a worker that does not answer its parent is replaced.
timeout = 30
# After SIGTERM, for requests that are on their way. Less than what the container gets.
graceful_timeout = int(os.environ.get("GRACEFUL_SECONDS", "25"))
# The proxy opens a connection for each request: one that was kept open could be closed by a worker that ends while a
# request is on its way, and a POST is sent only once.
keepalive = 0
# Of a file, in memory, wherever the root is read-only.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108  # tmpfs of the kernel's
control_socket_disable = True
# Lines of the application's own tell of each request.
accesslog = None
errorlog = "-"
# The application looks at forwarding headers itself, by TRUSTED_PROXIES.
forwarded_allow_ips = ""
